"""The account that PostgreSQL's processes run under, and starting programs under it.

PostgreSQL refuses to run as root. Started as root, an embedded server therefore runs as the user `postgres`, or
`nobody` where there is none; an existing database keeps the user that owns it. Started by anyone else, it runs as that
user and no one else.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

UNPRIVILEGED = ("postgres", "nobody")
PROGRAM_PATIENCE_S = 300


class PostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the text says what happened and what to do."""


@dataclass(frozen=True)
class Account:
    """User and group ids of the server's processes; `switch` says that they are not the caller's own."""

    name: str
    uid: int
    gid: int
    switch: bool

    def run(
        self, argv: Sequence[str], *, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end under this account, in `/`, with a bare environment.

        Returns its exit status, standard output and standard error. Raises OSError if it cannot be started.
        """
        return subprocess.run(  # noqa: S603 (our own arguments)
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=PROGRAM_PATIENCE_S,
            cwd="/",
            env=bare_environment() | dict(env or {}),
            umask=0o077,
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
        )

    def can_enter(self, folder: Path) -> bool:
        """Whether this account can use files inside `folder`: every folder above it must be searchable."""
        return self.run(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]).returncode == 0

    def own(self, path: Path) -> None:
        """Give a file or folder to this account."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_for(cluster: Path) -> Account:
    """The account for the database in `cluster`, which need not exist yet. Raises PostgresError if there is none."""
    me = os.geteuid()
    owner = cluster.stat() if cluster.exists() else None
    if me != 0:
        if owner is not None and owner.st_uid != me:
            raise PostgresError(
                f"the database in {cluster} belongs to the user {_user_name(owner.st_uid)}; "
                "start as that user (or as root), or set LIVLINA_DATA to a folder of your own"
            )
        return Account(_user_name(me), me, os.getegid(), switch=False)
    if owner is not None:
        if owner.st_uid == 0:
            raise PostgresError(
                f"the database in {cluster} belongs to root, and PostgreSQL refuses to run as root; "
                "give it back to the user that it ran as (chown -R)"
            )
        return Account(_user_name(owner.st_uid), owner.st_uid, owner.st_gid, switch=True)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise PostgresError(
        f"PostgreSQL refuses to run as root, and this machine has none of the users {', '.join(UNPRIVILEGED)}; "
        "start as an ordinary user, or set LIVLINA_DATABASE_URL to a server that runs already"
    )


def bare_environment() -> dict[str, str]:
    """What PostgreSQL's programs get to see: no secrets of ours, no PG* settings of the caller, messages in English."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
