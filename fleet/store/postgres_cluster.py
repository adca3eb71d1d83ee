"""Makes the database folder of an embedded PostgreSQL, with its two logins and the first database.

A cluster appears under its name only when it is complete; what an interrupted start has left behind is made anew.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleet.store.postgres_account import Account, PostgresError
from fleet.store.postgres_binaries import Binaries
from fleet.store.private_file import keep_private, sync_folder

OWNER = "livlina_owner"  # makes the tables; the cluster's superuser
APP = "livlina_app"  # what the fleet server logs in as; bound by row level security
DATABASE = "livlina"


@dataclass(frozen=True)
class Passwords:
    """The passwords of both logins, kept in two files of mode 0600 that only the starting user can read."""

    owner: str = field(repr=False)
    app: str = field(repr=False)

    @classmethod
    def read(cls, data: Path) -> Passwords | None:
        """The passwords kept in `data`, or None if one is missing."""
        try:
            return cls(*(path.read_text("ascii").strip() for path in _files(data)))
        except FileNotFoundError:
            return None

    @classmethod
    def fresh(cls) -> Passwords:
        """New random passwords; URL-safe, so that they need no quoting in a URL or in SQL."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24))

    def keep(self, data: Path) -> None:
        """Write both files, each whole or not at all."""
        for path, password in zip(_files(data), (self.owner, self.app), strict=True):
            keep_private(path, password)


def _files(data: Path) -> tuple[Path, Path]:
    return data / "postgres.owner-password", data / "postgres.app-password"


def made_by(cluster: Path) -> int | None:
    """The major version that made the cluster, or None if there is none yet."""
    try:
        text = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        if cluster.exists():
            raise PostgresError(f"{cluster} is no database (PG_VERSION is missing); restore your backup") from None
        return None
    if not re.fullmatch(r"\d+", text):
        raise PostgresError(f"{cluster}/PG_VERSION is damaged; restore your backup")
    return int(text)


def make_cluster(cluster: Path, account: Account, binaries: Binaries, passwords: Passwords) -> None:
    """Make a new cluster: checksums, UTF-8, C locale, SCRAM passwords over TCP, both logins, the first database."""
    beside = cluster.with_name(cluster.name + ".new")
    if beside.exists():
        shutil.rmtree(beside)
    beside.mkdir(mode=0o700)
    account.own(beside)
    secret = cluster.with_name(".initdb-password")
    secret.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(passwords.owner + "\n")
        account.own(secret)
        _run(
            account,
            [
                binaries.program("initdb"),
                f"--pgdata={beside}",
                f"--username={OWNER}",
                f"--pwfile={secret}",
                "--auth-local=peer",
                "--auth-host=scram-sha-256",
                "--data-checksums",
                "--encoding=UTF8",
                "--locale=C",
                "--no-instructions",
            ],
        )
    finally:
        secret.unlink(missing_ok=True)
    _single(
        beside,
        account,
        binaries,
        f"CREATE ROLE {APP} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
        f"ALTER ROLE {APP} PASSWORD '{passwords.app}'",
        f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
    )
    beside.rename(cluster)
    sync_folder(cluster.parent)


def set_passwords(cluster: Path, account: Account, binaries: Binaries, passwords: Passwords) -> None:
    """Give both logins new passwords while the server is down."""
    _single(
        cluster,
        account,
        binaries,
        f"ALTER ROLE {OWNER} PASSWORD '{passwords.owner}'",
        f"ALTER ROLE {APP} PASSWORD '{passwords.app}'",
    )


def _single(cluster: Path, account: Account, binaries: Binaries, *statements: str) -> None:
    """Run statements in single-user mode, which needs no login; one a line, the first failure ends it."""
    _run(
        account,
        [
            binaries.program("postgres"),
            "--single",
            "-D",
            str(cluster),
            "-c",
            "exit_on_error=on",
            "-c",
            "password_encryption=scram-sha-256",
            "-c",
            "log_min_error_statement=panic",
            "postgres",
        ],
        stdin="".join(statement + "\n" for statement in statements),
    )


def _run(account: Account, argv: Sequence[str], stdin: str = "") -> None:
    name = Path(argv[0]).name
    try:
        answer = account.run(argv, stdin=stdin)
    except OSError as error:
        raise PostgresError(f"cannot run {argv[0]} as the user {account.name}: {error.strerror}") from error
    if answer.returncode != 0:
        lines = "\n".join(f"  {line}" for line in answer.stderr.splitlines()[-8:])
        raise PostgresError(
            f"{name} ended with status {answer.returncode} as the user {account.name}; "
            f"check the space and the rights of the data folder. It said:\n{lines}"
        )
