"""Write the golden vectors that protocols/wire/vectors lacks: `python tests/unit/wire/write_vectors.py`.

It only ever adds: a case whose bytes would change is reported and nothing is written. test_vectors.py is its check.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "both")]

import golden  # noqa: E402
import malformed  # noqa: E402
from primitives import ecb, sha256, vectors  # noqa: E402

from protocols.wire import seal  # noqa: E402
from protocols.wire.ccm import Ccm  # noqa: E402

FOLDER = ROOT / "protocols" / "wire" / "vectors"

Case = dict[str, str]


def sealed(name: str, case: str) -> Case:
    """Return the fields of one message's vector; names are those of docs/wire.md."""
    plain = golden.MESSAGES[name][case].encode()
    kid = seal.kid(golden.UNIT, golden.GENERATION)
    fields = {"plain": plain.hex(), "secret": golden.SECRET.hex(), "kid": kid.hex()}
    if golden.is_down(name):
        key, _ = seal.derive(sha256, golden.SECRET, kid, seal.DOWN)
        frame = seal.seal_down(Ccm(ecb(key)), golden.IV, plain)
        return fields | {"key": key.hex(), "iv": golden.IV.hex(), "sealed": frame.hex()}
    context = golden.CONTEXT if (name, case) in golden.WITH_CONTEXT else None
    key, common_iv = seal.derive(sha256, golden.SECRET, kid, seal.UP, context)
    assert common_iv is not None
    counter = golden.counter(name, case)
    frame = seal.seal_up(Ccm(ecb(key)), common_iv, kid, counter, plain, context)
    partial = counter.to_bytes(5, "big").lstrip(b"\0") or b"\0"
    fields |= {"key": key.hex(), "common_iv": common_iv.hex(), "partial_iv": partial.hex()}
    if context:
        fields["kid_context"] = context.hex()
    return fields | {"sealed": frame.hex()}


def wanted() -> dict[str, dict[str, Case]]:
    """Return every vector file of ours by name, with its cases."""
    files = {name: {case: sealed(name, case) for case in cases} for name, cases in golden.MESSAGES.items()}
    files["malformed_frames"] = {
        case: {"frame": data.hex(), "reason": reason} for case, (data, reason) in malformed.FRAMES.items()
    }
    files["malformed_messages"] = {
        case: {"plain": data.hex(), "reason": reason} for case, (data, reason) in malformed.MESSAGES.items()
    }
    files["dropped"] = {
        case: {"plain": data.hex(), "dropped": bytes(keys).hex()} for case, (data, keys) in malformed.DROPPED.items()
    }
    return files


def stored(name: str) -> dict[str, Case]:
    """Return the cases that a file holds now."""
    if not (FOLDER / f"{name}.txt").exists():
        return {}
    return {
        case: {label: value.hex() if isinstance(value, bytes) else value for label, value in fields.items()}
        for case, fields in vectors(name)
    }


def problems(name: str, cases: dict[str, Case], held: dict[str, Case]) -> list[str]:
    """Say what differs between the code and a file: a changed case, or one that only one of them has."""
    found = [f"{name}: {case} has changed" for case in cases if case in held and held[case] != cases[case]]
    found += [f"{name}: {case} is missing" for case in cases if case not in held]
    return found + [f"{name}: {case} is in the file only" for case in held if case not in cases]


def main() -> int:
    """Add what is missing; 1 when something has changed."""
    files = wanted()
    changed = [line for name, cases in files.items() for line in problems(name, cases, stored(name))]
    changed = [line for line in changed if not line.endswith("is missing")]
    if changed:
        print("vectors are added, never edited:", *changed, sep="\n")
        return 1
    for name, cases in files.items():
        held = stored(name)
        with (FOLDER / f"{name}.txt").open("a") as file:
            if not held:
                file.write(f"# {malformed.TITLES.get(name, name + ': plain and sealed')}. Added to, never edited.\n")
            for case, fields in cases.items():
                if case not in held:
                    file.write(f"\n[{case}]\n" + "".join(f"{k} = {v}".rstrip() + "\n" for k, v in fields.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
