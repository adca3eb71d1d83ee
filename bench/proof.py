"""``make proof``: every full-size figure that the documents promise, measured here and now, as one table.

A figure comes from the product itself: `livlina demo`, the golden vectors, the compiled firmware. A measurement is a
function that yields figures; add it to MEASUREMENTS. Exit 1 where a figure misses its limit or cannot be had.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sim.firmware_build import build_firmware, shipped_bytes

ROOT = Path(__file__).resolve().parents[1]
DEMO_EXTRA_S = 120
# A demo that hangs is ended here; the figure "seconds until it ended" has its own limit.
DEMO_PATIENCE_S = 900
# (message, case of its golden vectors, the limit of docs/wire.md)
SEALED = (
    ("alarm", "full_width", 80),
    ("heartbeat", "full_width", 80),
    ("receipt", "full_width", 64),
    ("heartbeat", "full_status", 240),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. Without a limit it only informs; ``ok`` False makes the whole proof fail."""

    name: str
    value: float | int | str | None
    unit: str
    limit: str
    ok: bool
    command: str


def at_most(name: str, value: float | int | None, unit: str, most: float, command: str) -> Figure:
    """A figure that must be there and must not exceed ``most``."""
    return Figure(name, value, unit, f"at most {most}", value is not None and value <= most, command)


def exactly(name: str, value: float | int | None, unit: str, wanted: float, command: str) -> Figure:
    """A figure that must be this one."""
    return Figure(name, value, unit, f"{wanted}", value == wanted, command)


def told(name: str, value: float | int | str | None, unit: str, command: str) -> Figure:
    """A figure without a limit. It must be there."""
    return Figure(name, value, unit, "", value is not None, command)


def sealed_sizes() -> Iterator[Figure]:
    """Bytes of the largest sealed frame of each kind, out of the golden vectors that both engines are tested with."""
    for message, case, most in SEALED:
        text = (ROOT / f"protocols/wire/vectors/{message}.txt").read_text(encoding="utf-8")
        section = text.partition(f"[{case}]\n")[2].partition("\n[")[0]
        lines = [line.partition("=")[2] for line in section.splitlines() if line.startswith("sealed")]
        size = len(bytes.fromhex(lines[0])) if lines else None
        yield at_most(f"sealed {message}, {case.replace('_', ' ')}", size, "bytes", most, "make proof")


def firmware_size() -> Iterator[Figure]:
    """Bytes of .mpy that a unit carries, compiled as shipped."""
    with tempfile.TemporaryDirectory(prefix="livlina-proof-") as folder:
        size = shipped_bytes(build_firmware(Path(folder)))
    yield told("firmware and protocols as .mpy", size or None, "bytes", "make proof")


def demo(units: int) -> Callable[[], Iterator[Figure]]:
    """The whole way of a press with this many real units; judged by its own summary."""

    def measure() -> Iterator[Figure]:
        asked = 30
        arguments = ["demo", "--units", str(units), "--seconds", str(asked), "--headless", "--json"]
        command = "livlina " + " ".join(arguments)
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "livlina", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=DEMO_PATIENCE_S, check=False,
        )  # fmt: skip
        seconds = round(time.monotonic() - started, 1)
        name = f"demo, {units} units: "
        yield exactly(name + "exit status", done.returncode, "", 0, command)
        yield at_most(name + "seconds until it ended", seconds, "s", asked + DEMO_EXTRA_S, command)
        summary: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
        yield exactly(name + "unit processes", summary.get("unit_processes"), "", units, command)
        yield told(name + "interpreter", summary.get("interpreter"), "", command)
        yield told(name + "heartbeats", summary.get("heartbeats"), "", command)
        presses = summary.get("presses")
        least = asked // 4
        yield Figure(name + "presses", presses, "", f"at least {least}", (presses or 0) >= least, command)
        yield exactly(name + "lost", summary.get("lost"), "", 0, command)
        yield exactly(name + "duplicates", summary.get("duplicates"), "", 0, command)
        for stage in ("stored", "accepted", "taken"):
            for quantile in ("p50", "p95", "max"):
                value = summary.get(f"{stage}_ms", {}).get(quantile)
                yield told(f"{name}{stage}, {quantile}", value, "ms", command)

    return measure


MEASUREMENTS: tuple[tuple[str, Callable[[], Iterable[Figure]]], ...] = (
    ("sizes", sealed_sizes),
    ("firmware", firmware_size),
    ("demo-25", demo(25)),
    ("demo-500", demo(500)),
)


def table(figures: Iterable[Figure]) -> Table:
    """All figures, one a line."""
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    result = Table(title=f"Figures measured on this machine ({machine})", title_justify="left")
    for heading, justify in (("figure", "left"), ("value", "right"), ("limit", "left"), ("", "left")):
        result.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for figure in figures:
        value = "none" if figure.value is None else f"{figure.value} {figure.unit}".rstrip()
        result.add_row(figure.name, value, figure.limit, "ok" if figure.ok else "MISSED")
    return result


def main() -> int:
    """Measures all, or what is named; prints the table or JSON. 1 where a figure missed its limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.proof", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"of: {', '.join(name for name, _ in MEASUREMENTS)}; default all")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    arguments = parser.parse_args()
    unknown = set(arguments.only) - {name for name, _ in MEASUREMENTS}
    if unknown:
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name, measure in MEASUREMENTS:
        if not arguments.only or name in arguments.only:
            sys.stderr.write(f"measuring {name}\n")
            figures += measure()
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    else:
        Console(width=110, soft_wrap=False).print(table(figures))
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
