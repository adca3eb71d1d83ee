"""Every package that we name ourselves is accounted for in docs/dependencies.md, locked, and hashed."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)
NAME = re.compile(r"^[A-Za-z0-9._-]+")
INPUTS = sorted(path.stem for path in (ROOT / "requirements").glob("*.in"))


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def names_in(requirements: str) -> set[str]:
    """Names of a requirements file, normalized as package indexes do."""
    found = (NAME.match(line.strip()) for line in requirements.splitlines() if not line.startswith((" ", "#", "-")))
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def named_by_us() -> set[str]:
    python = {name for stem in INPUTS for name in names_in(text(f"requirements/{stem}.in"))}
    package = json.loads(text("package.json"))
    browser = set(package.get("dependencies", {})) | set(package.get("devDependencies", {}))
    line = re.search(r"^TEST_PACKAGES := (.*)$", text("Makefile"), re.MULTILINE)
    assert line, "the Makefile no longer lists TEST_PACKAGES"
    system = set(re.findall(r"[a-z][a-z0-9.+-]+", re.sub(r"\$\(if [^,]*,,([^)]*)\)", r"\1", line[1])))
    return python | browser | system


def unaccounted(wanted: set[str], page: str) -> set[str]:
    return wanted - {name for name, _ in ROW.findall(page)}


def test_every_direct_dependency_has_its_line() -> None:
    assert not unaccounted(named_by_us(), text("docs/dependencies.md"))


def test_a_missing_line_is_noticed() -> None:
    page = text("docs/dependencies.md").replace("| `cryptography` |", "| cryptography |")
    assert unaccounted(named_by_us(), page) == {"cryptography"}


def test_every_line_is_of_a_package_that_we_name_and_is_filled_in() -> None:
    for name, cells in ROW.findall(text("docs/dependencies.md")):
        assert name in named_by_us(), f"{name} is no longer a direct dependency: remove its line"
        assert all(cell.strip() for cell in cells.split("|")), f"the line of {name} has an empty cell"
        assert cells.count("|") == 3, f"the line of {name} has a cell too many or too few"


@pytest.mark.parametrize("stem", INPUTS)
def test_the_hashed_file_holds_all_that_its_input_names(stem: str) -> None:
    locked = text(f"requirements/{stem}.txt")
    assert names_in(text(f"requirements/{stem}.in")) <= names_in(locked)
    for block in re.split(r"\n(?=\S)", locked.strip()):
        if not block.startswith("#"):
            assert re.match(r"\S+==\S+", block), block.splitlines()[0]
            assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_distribution_asks_for_what_the_run_file_locks() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert names_in("\n".join(project["dependencies"])) == names_in(text("requirements/run.in"))


def test_the_workshops_extra_asks_for_what_its_file_locks() -> None:
    extras = tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"]
    assert names_in("\n".join(extras["provision"])) == names_in(text("requirements/provision.in"))


def test_one_package_is_built_from_source_and_only_for_a_workshop() -> None:
    lines = [line for line in text("Makefile").splitlines() if "--no-binary" in line]
    assert lines == ["\t@$(LOCKED) --no-binary esptool --no-build-isolation -r requirements/provision.txt"]
    assert "esptool" not in names_in(text("requirements/run.txt")) | names_in(text("requirements/demo.txt"))


def test_set_up_checks_hashes_and_runs_no_build_or_install_script() -> None:
    makefile = text("Makefile")
    assert "LOCKED := $(PIP) --require-hashes --only-binary :all:" in makefile
    assert "ci --ignore-scripts" in makefile
    for line in makefile.splitlines():
        if " -r requirements/" in line:
            assert "$(LOCKED)" in line or "--require-hashes" in line, line
