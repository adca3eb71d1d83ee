"""What `livlina demo` and `livlina scenario` import is in the locked files that `make setup` installs, and no more.

Nothing is started: sources are parsed. A module that is only named, for `python -m` or to be loaded late, counts too.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from provisioning.ca import AUTHORITY_FILE, TOKEN_FILE, AuthorityError, CertificateAuthority

ROOT = Path(__file__).parents[2]
OURS = ("livlina", "fleet", "sim", "bench", "protocols", "provisioning", "firmware")
LOCKED = ("run.txt", "demo.txt")
BEGIN = ("livlina.__main__", "livlina.cli", "livlina.demo", "livlina.scenario", "livlina.serve")
LATE = {"provisioning.token": "pkcs11"}
"""Imported only where an installation's root lies in a token, by a module that says what to install."""
_MODULE = re.compile(rf"(?:{'|'.join(OURS)})(?:\.[a-z0-9_]+)+")


def file_of(module: str) -> Path | None:
    """The file of a module of ours, or of the package; None where the name is no module."""
    place = ROOT.joinpath(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return file
    return None


def is_menu(module: str) -> bool:
    """Whether it only lists commands: what those import when they are called is not what these commands need."""
    return module == "livlina.cli" or module.endswith("_commands")


def nodes(tree: ast.Module, module: str) -> Iterator[ast.AST]:
    """Every node; of a list of commands those alone that count when it is loaded."""
    if not is_menu(module):
        yield from ast.walk(tree)
        return
    for statement in tree.body:
        if not isinstance(statement, ast.FunctionDef):
            yield from ast.walk(statement)


@cache
def named(file: Path, module: str) -> tuple[str, ...]:
    """Every module that this file imports at any place, or names in a text of its own."""
    return tuple(_named(file, module))


def _named(file: Path, module: str) -> Iterator[str]:
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    for node in nodes(ast.parse(file.read_text(encoding="utf-8")), module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            yield node.value


def foreign(begin: Iterable[str]) -> dict[str, str]:
    """Top-level names of what is imported and not ours, each with a module that does. Firmware runs on another
    interpreter; what it imports there is its own affair, and its pure part imports nothing."""
    found: dict[str, str] = {}
    open_ends, seen = list(begin), set()
    while open_ends:
        module = open_ends.pop()
        if module in seen:
            continue
        seen.add(module)
        file = file_of(module)
        if file is None:
            continue
        for name in named(file, module):
            top = name.partition(".")[0]
            if top in (*OURS, "tests"):
                open_ends.append(name)
            elif top in sys.stdlib_module_names or LATE.get(module) == top:
                continue
            elif not module.startswith(("firmware", "protocols.wire", "sim.shims")):
                found.setdefault(top, module)
    return found


def locked() -> set[str]:
    """The distributions of the locked files, names normalized."""
    lines = "\n".join((ROOT / "requirements" / name).read_text(encoding="utf-8") for name in LOCKED)
    return {name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==", lines, re.M)}


def missing(begin: Iterable[str]) -> dict[str, str]:
    """What is imported, and by whom, that the locked files do not hold."""
    holders, known = packages_distributions(), locked()
    return {
        top: module
        for top, module in foreign(begin).items()
        if not any(one.lower().replace("_", "-") in known for one in holders.get(top, ()))
    }


def test_demo_and_scenarios_need_nothing_but_what_setup_installs() -> None:
    found = foreign(BEGIN)
    assert {"psycopg", "typer", "cryptography", "uvicorn"} <= set(found), "the look has gone blind"
    assert missing(BEGIN) == {}


def test_a_root_in_a_token_says_what_it_needs_where_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    CertificateAuthority.create(tmp_path)
    (tmp_path / AUTHORITY_FILE).unlink()
    (tmp_path / TOKEN_FILE).write_text("pkcs11:token=safe;object=root?module-path=/none.so&pin-source=/none\n")
    with pytest.raises(AuthorityError, match="python-pkcs11: make provision-setup"):
        CertificateAuthority.load(tmp_path)


def test_every_scenario_is_reached() -> None:
    seen = {name for name in named(ROOT / "sim/scenarios/scenario.py", "sim.scenarios.scenario") if ".a" in name}
    for file in (ROOT / "sim/scenarios").glob("a[0-9]_*.py"):
        if "SCENARIO = Scenario(" in file.read_text(encoding="utf-8"):
            assert f"sim.scenarios.{file.stem}" in seen


def test_what_tests_alone_need_would_be_seen() -> None:
    assert "hypothesis" in missing(["tests.unit.fleet.test_position_of_a_press"])
