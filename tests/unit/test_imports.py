"""The walls of the house: who may import whom. Every contract of pyproject.toml must find a breach of it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
PACKAGES = SETTINGS["root_packages"]
CONTRACTS = {contract["id"]: contract["name"] for contract in SETTINGS["contracts"]}
# contract id -> (the file that gets a new line, the line)
BREACHES = {
    "protocols-stand-alone": [("protocols/centre/alarm.py", "import fleet.settings")],
    "units-fleet-and-bench-apart": [
        ("fleet/settings.py", "import provisioning.files"),
        ("provisioning/identity.py", "import fleet.settings"),
        ("firmware/boot.py", "import provisioning.files"),
    ],
    "product-without-command-line-and-sim": [
        ("fleet/forwarding/run.py", "import sim.centre"),
        ("provisioning/identity.py", "def late():\n    import livlina.cli"),
    ],
    "firmware-imports-wire-only": [("firmware/boot.py", "import protocols.centre.alarm")],
    "wire-runs-on-micropython": [
        ("protocols/wire/cbor.py", "import typing"),
        ("protocols/wire/seal.py", "import cbor2"),
        ("protocols/wire/courier.py", "def late():\n    from functools import reduce"),
    ],
    "fleet-layers": [
        ("fleet/store/pool.py", "import fleet.alarms.store"),
        ("fleet/alarms/store.py", "import fleet.forwarding.model"),
        ("fleet/registry/store.py", "import fleet.alarms.store"),
        ("fleet/web/app.py", "import fleet.ingest"),
        ("fleet/newcomer.py", ""),
    ],
    "decisions-are-pure": [
        ("fleet/alarms/decide.py", "import psycopg"),
        ("fleet/forwarding/model.py", "import fleet.alarms.store"),
    ],
}


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def lint(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=folder, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for file in python_files(*PACKAGES):
        target = tmp_path / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def test_every_contract_has_a_breach_here() -> None:
    assert BREACHES.keys() == CONTRACTS.keys()


def test_the_copy_of_the_tree_keeps_all_contracts(copy: Path) -> None:
    """The control of the tests below: without a breach nothing is found."""
    code, said = lint(copy)
    assert code == 0, said
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in said


@pytest.mark.parametrize("place", range(max(map(len, BREACHES.values()))))
def test_a_breach_is_found(copy: Path, place: int) -> None:
    """One of each contract at once: each is told below its own contract."""
    made = {contract: found[place] for contract, found in BREACHES.items() if place < len(found)}
    for file, line in made.values():
        with (copy / file).open("a", encoding="utf-8") as source:
            source.write(f"\n{line}\n")
    code, said = lint(copy)
    assert code == 1, said
    parts = said.partition("Broken contracts")[2]
    for contract, (file, line) in made.items():
        assert f"{CONTRACTS[contract]} BROKEN" in said
        told = re.split("|".join(map(re.escape, CONTRACTS.values())), parts.partition(CONTRACTS[contract])[2])[0]
        assert named(file, line) in told, (contract, told)


def named(file: str, line: str) -> str:
    """How the linter tells a breach: who imports what, or who stands in no layer."""
    importer = file.removesuffix(".py").replace("/", ".")
    imports = ast.parse(line).body
    if not imports:
        return importer.rpartition(".")[2]
    return f"{importer} -> {next(imported(ast.Module(imports, [])))}"


def test_decisions_import_the_standard_library_and_each_other_only() -> None:
    """What the contract cannot name: third-party packages that nobody has thought of yet."""
    files = [file for file in python_files("fleet") if file.name in ("decide.py", "model.py")]
    assert files
    for file in files:
        for name in imported(ast.parse(file.read_text(encoding="utf-8"))):
            top, _, _ = name.partition(".")
            ours = top == "fleet" and name.rpartition(".")[2] in ("decide", "model")
            assert ours or top in sys.stdlib_module_names, f"{file.relative_to(ROOT)} imports {name}"


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_type_checking_blocks_stay_in_the_micropython_dialect() -> None:
    """The contracts leave out what stands under TYPE_CHECKING, so nothing else may hide there."""
    for file in python_files("protocols/centre", "provisioning", "fleet", "livlina"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.id] if isinstance(node, ast.Name) else [node.attr] if isinstance(node, ast.Attribute) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            assert "TYPE_CHECKING" not in names, file.relative_to(ROOT)


def test_the_command_line_loads_the_sim_only_when_a_command_needs_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import livlina.cli, sys; print([n for n in sys.modules if n.split('.')[0] == 'sim'])"],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
