"""The repository itself: what no file may hold, how long a file may be, what every folder has."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from fleet.store.migrate import shipped

ROOT = Path(__file__).parents[2]
FOLDERS = ("bench", "docs", "firmware", "fleet", "hardware", "livlina", "protocols", "provisioning", "sim", "tests")
LONGEST_FILE = 500

# Written in pieces, so that this file does not find itself.
HOSTS = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".", "deb.debian" + ".org", "archive.ubuntu" + ".com")
FORBIDDEN = {
    "a registry's host": re.compile("|".join(re.escape(host) for host in HOSTS), re.IGNORECASE),
    "a resolved address in a lock file": re.compile(r'"resol' r'ved"\s*:'),
    "an index named for pip or npm": re.compile(
        r"--(?:extra-)?index" r"-url[ =]\S|find-" r"links[ =]+(?:\w+:|[./])|regis" r"try\s*=\s*\S"
    ),
    "a path of one machine": re.compile(r"(?<![\w.])/(?:work|home/\w+|Users/\w+|root)/"),
    "a folder that is not in the repository": re.compile(r"(?<!\.)\.\./shared\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRI" r"VATE KEY-----\s*\n?[A-Za-z0-9+/=]{16}"),
    "unfinished work": re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b"),
}  # fmt: skip


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


FILES = tracked()
PYTHON = [file for file in FILES if file.suffix == ".py"]
TESTS = [file for file in PYTHON if file.is_relative_to(ROOT / "tests")]


def readable(files: list[Path]) -> dict[str, str]:
    """Text by name; pictures and other bytes are left out."""
    found = {}
    for file in files:
        data = file.read_bytes()
        if b"\0" not in data:
            found[str(file.relative_to(ROOT))] = data.decode("utf-8")
    return found


def offences(name: str, text: str) -> list[str]:
    if name == "LICENCE":
        return []
    return [f"{name} has {what}: {match[0]!r}" for what, wanted in FORBIDDEN.items() if (match := wanted.search(text))]


def test_no_file_holds_what_no_file_may_hold() -> None:
    found = [offence for name, text in readable(FILES).items() for offence in offences(name, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "https://files." + HOSTS[1] + "/packages/x.whl",
        '"resol' + 'ved": "https://host/x.tgz"',
        "--index" + "-url https://host/simple",
        "see /wo" + "rk/main/x",
        "-----BEGIN PRI" + "VATE KEY-----\nMIGHAgEAMBMGByqGSM49",
        "# TO" + "DO later",
    ],
)
def test_each_of_them_would_be_found(text: str) -> None:
    assert len(offences("some/file", text)) == 1


def test_no_python_file_is_too_long() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in PYTHON}
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE}


def test_every_folder_of_the_house_says_what_belongs_there() -> None:
    domains = [folder for folder in (ROOT / "fleet").iterdir() if folder.is_dir() and folder.name != "__pycache__"]
    parts = [ROOT / "protocols/wire", ROOT / "protocols/centre", ROOT / "firmware/boards", ROOT / "docs/decisions"]
    folders = [*(ROOT / name for name in FOLDERS), *domains, *parts, ROOT]
    assert not [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "README.md").is_file()]


def test_every_relative_link_of_a_page_leads_somewhere() -> None:
    broken = []
    for file in FILES:
        if file.suffix == ".md":
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", file.read_text(encoding="utf-8")):
                if "://" not in target and not (file.parent / target).exists():
                    broken.append(f"{file.relative_to(ROOT)} -> {target}")
    assert not broken, "\n".join(broken)


def test_every_test_folder_is_run_by_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\btests/\w+", " ".join(re.findall(r"^\w+_TESTS := (.*)$", makefile, re.MULTILINE))))
    used = {f"tests/{file.relative_to(ROOT / 'tests').parts[0]}" for file in TESTS if file.name.startswith("test_")}
    assert used <= named


def test_ci_runs_the_command_of_the_readme() -> None:
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").rstrip().endswith("\nmake test")
    assert "\nmake run\nmake test\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def escapes(source: str) -> set[str]:
    """Names by which a test gets out of being run, or of being believed."""
    ways = {
        "skip",
        "skipif",
        "skipIf",
        "skipTest",
        "skipUnless",
        "importorskip",
        "xfail",
        "SkipTest",
        "expectedFailure",
    }
    names = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    return names & ways


@pytest.mark.parametrize("file", TESTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_test_is_skipped(file: Path) -> None:
    assert not escapes(file.read_text(encoding="utf-8"))


def test_a_skip_would_be_found() -> None:
    assert escapes("import pytest\n@pytest.mark." + "skipif(True, reason='')\ndef test_x(): ...") == {"skip" + "if"}


def test_the_licence_is_the_whole_licence() -> None:
    text = (ROOT / "LICENCE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert all(f"\n   {number}. " in text for number in range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text


def test_migrations_are_numbered_one_after_the_other() -> None:
    """Two that were written at the same time may bear the same number: no server starts with them."""
    assert [migration.number for migration in shipped()] == list(range(1, len(shipped()) + 1))
