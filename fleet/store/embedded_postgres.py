"""Runs a PostgreSQL of our own as a child of this process: no service, no root, no Docker (decision D7).

    data/postgres/cluster            the database; `postgres` is a link when PostgreSQL's user cannot enter `data`
    data/postgres.owner-password     both logins' passwords; mode 0600, the starting user's
    data/postgres.app-password
    data/postgres.port  data/postgres.log

It listens on 127.0.0.1 only, asks for SCRAM passwords and opens no Unix socket. It writes through to the disk
(fsync), so a commit survives any kill. It ends with its parent, even when that one is killed with SIGKILL. Linux only;
production names its own server in LIVLINA_DATABASE_URL instead.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from fleet.store.postgres_account import Account, PostgresError, account_for, bare_environment
from fleet.store.postgres_binaries import STATE, Binaries, Source, find_binaries, open_state
from fleet.store.postgres_child import Child
from fleet.store.postgres_cluster import APP, DATABASE, OWNER, Passwords, made_by, make_cluster
from fleet.store.postgres_cluster import set_passwords as set_cluster_passwords
from fleet.store.postgres_leftovers import clear_leftovers
from fleet.store.private_file import keep_private

__all__ = ["EmbeddedPostgres", "PostgresError"]

HOST = "127.0.0.1"
PORTS = range(20000, 32768)  # below Linux's ephemeral ports, so no outgoing connection takes ours while it is down
PORT_TRIES = 20
LOG_LIMIT_BYTES = 8 << 20
LOG_LINES_SHOWN = 8
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    # No personal data in logs: no statement, no values of a row that failed.
    "log_min_messages": "log",  # errors go to the program that caused them, and it reports them
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
}


class EmbeddedPostgres:
    """One PostgreSQL cluster in one data folder. Calls block and are for one caller at a time, from any thread.

    `port` names the TCP port, else a free one is chosen, kept in the data folder and used again. `source` forces the
    installed server's programs or the wheel's. `state` is where, as root, things are put that PostgreSQL's user could
    not reach otherwise. `patience_s` is how long crash recovery may take.
    """

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        *,
        source: Source = "any",
        state: Path = STATE,
        patience_s: float = 300,
    ) -> None:
        """Only remembers; nothing is opened before `start`."""
        self.data = data.resolve()
        self._wanted_port = port
        self._source = source
        self._state = state
        self._patience_s = patience_s
        self._log = self.data / "postgres.log"
        self._port = 0
        self._lock: IO[str] | None = None
        self._cluster: Path | None = None
        self._account: Account | None = None
        self._binaries: Binaries | None = None
        self._passwords: Passwords | None = None
        self._child: Child | None = None
        self._starter = 0

    def start(self) -> None:
        """Make the cluster if there is none, end what an earlier run left, start the server, wait until it answers.

        Raises PostgresError, with the log's last lines where it has any; then nothing is left running.
        """
        if self._lock is not None:
            raise PostgresError("this PostgreSQL is started already; stop it first")
        if sys.platform != "linux":
            raise PostgresError("the embedded PostgreSQL is for Linux; set LIVLINA_DATABASE_URL to a server of yours")
        self._port = 0
        try:
            self._prepare()
            self._launch(self._choose_port, PORT_TRIES)
            self._check_login()
        except OSError as error:
            self.stop()
            raise PostgresError(f"cannot use the data folder {self.data}: {error}") from error
        except BaseException:
            self.stop()
            raise
        self._starter = os.getpid()
        atexit.register(self._stop_at_exit)

    def stop(self) -> None:
        """Stop the server (fast; by force if it takes too long) and let go of the folder. May be repeated."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        atexit.unregister(self._stop_at_exit)

    def kill(self) -> None:
        """SIGKILL to the postmaster, for tests of faults. `restart_if_dead` brings it back."""
        self._running_child().kill()

    def poll(self) -> int | None:
        """None while the server runs, else how it ended (negative: the signal). Raises PostgresError if not started."""
        return self._running_child().status()

    def restart_if_dead(self) -> bool:
        """Start the server again if it has died; on the same port, so URLs stay. True if it had to.

        Raises PostgresError if it was never started, or does not come back.
        """
        if self.poll() is None:
            return False
        self._launch(lambda: self._port, 1)
        return True

    def create_database(self, name: str, template: str | None = None) -> tuple[str, str]:
        """Make another database, empty or as a copy of `template` (to which nobody may be connected).

        Returns (owner URL, app URL). Copies carry the template's rights inside the database.
        """
        copy = "" if template is None else f" TEMPLATE {_identifier(template)}"
        self._sql(f"CREATE DATABASE {_identifier(name)} OWNER {OWNER}{copy}")
        return self.urls(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, ending its connections."""
        self._sql(f"DROP DATABASE {_identifier(name)} WITH (FORCE)")

    def destroy(self) -> None:
        """Stop, and delete the cluster with all its data, wherever it lies; for demos and tests in temporary folders.

        Raises PostgresError if another process uses it.
        """
        self.stop()
        link = self.data / "postgres"
        if link.exists():
            with _lock(link / "lock", self.data):
                shutil.rmtree(link.resolve())
        if link.is_symlink():
            link.unlink()
        for path in self.data.glob("postgres.*"):
            path.unlink()

    def urls(self, database: str) -> tuple[str, str]:
        """(owner URL, app URL) of a database of this server. They hold passwords: never log them."""
        if self._passwords is None:
            raise PostgresError("this PostgreSQL has not been started, so it has no address yet; call start() first")
        place = f"{HOST}:{self._port}/{database}"
        return (
            f"postgresql://{OWNER}:{self._passwords.owner}@{place}",
            f"postgresql://{APP}:{self._passwords.app}@{place}",
        )

    @property
    def owner_url(self) -> str:
        """URL of the database `livlina` as its owner, who makes the tables and is a superuser."""
        return self.urls(DATABASE)[0]

    @property
    def app_url(self) -> str:
        """URL of the database `livlina` as the application: no superuser, bound by row level security."""
        return self.urls(DATABASE)[1]

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; 0 before the first start."""
        return self._port

    @property
    def pid(self) -> int | None:
        """Process id of the running postmaster, or None."""
        return self._child.pid if self._child is not None and self._child.status() is None else None

    @property
    def binaries(self) -> Binaries:
        """The programs in use and their version."""
        if self._binaries is None:
            raise PostgresError("this PostgreSQL has not been started; call start() first")
        return self._binaries

    def _prepare(self) -> None:
        """Everything before the launch: folder, account, lock, programs, cluster, passwords."""
        self.data.mkdir(parents=True, exist_ok=True)
        cluster = self.data / "postgres" / "cluster"
        account = account_for(cluster)
        area = self._area(account)
        self._cluster = cluster = area / "cluster"
        self._account = account
        self._lock = _lock(area / "lock", self.data)
        version = made_by(cluster)
        self._binaries = find_binaries(self._source, account, version, self._state)
        clear_leftovers(cluster)
        self._passwords = Passwords.read(self.data)
        if version is None:
            self._passwords = self._passwords or Passwords.fresh()
            make_cluster(cluster, account, self._binaries, self._passwords)
        elif self._passwords is None:
            self._passwords = Passwords.fresh()
            set_cluster_passwords(cluster, account, self._binaries, self._passwords)
        self._passwords.keep(self.data)  # every time: it also closes files that a restore has opened
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT_BYTES:
            self._log.replace(self._log.with_name("postgres.log.1"))

    def _area(self, account: Account) -> Path:
        """The folder around the cluster that the account can enter: in the data folder, or in `state` with a link."""
        here = self.data / "postgres"
        if here.is_symlink() and not here.exists():
            raise PostgresError(f"{here} points to {here.readlink()}, which is gone; put it back or restore a backup")
        fresh = not here.exists()
        if fresh:
            _make_open(here)
        area = here.resolve()
        if account.can_enter(area):
            return area
        if not fresh and any(area.iterdir()):
            raise PostgresError(
                f"the user {account.name}, under which PostgreSQL runs, can no longer enter {area}; "
                "let every user search the folders above it (chmod o+x), as when it was made"
            )
        if not account.switch:
            raise PostgresError(f"cannot enter {here}; check the rights of the folders above it")
        here.rmdir()
        target = open_state(self._state) / hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        if (target / "cluster").exists():
            raise PostgresError(
                f"a database made for this data folder lies in {target}, but the link to it is gone; "
                f"to use it, run ln -sfn {target} {here}; to begin anew, delete it"
            )
        _make_open(target)
        if not account.can_enter(target):
            raise PostgresError(
                f"the user {account.name}, under which PostgreSQL runs, can enter neither {here} nor {target}; "
                "let every user search the folders above one of them (chmod o+x)"
            )
        here.symlink_to(target)
        return target

    def _choose_port(self) -> int:
        """The wanted port, or the kept one if it is free, or a new free one, which is kept."""
        if self._wanted_port is not None:
            return self._wanted_port
        kept = self.data / "postgres.port"
        if self._port == 0 and kept.exists() and re.fullmatch(r"\d{4,5}\n?", text := kept.read_text()):
            port = int(text)
            if _is_free(port):
                return port
        for port in random.sample(PORTS, min(len(PORTS), PORT_TRIES * 10)):
            if port != self._port and _is_free(port):
                keep_private(kept, str(port))
                return port
        raise PostgresError(f"no free TCP port between {PORTS.start} and {PORTS.stop - 1}; name one")

    def _launch(self, choose_port: Callable[[], int], tries: int) -> None:
        """Start the server and wait until it takes connections; with another port if someone took ours meanwhile."""
        assert self._cluster is not None and self._binaries is not None and self._account is not None
        clear_leftovers(self._cluster)
        for left in reversed(range(tries)):
            self._port = choose_port()
            argv = [self._binaries.program("postgres"), "-D", str(self._cluster), "-c", f"port={self._port}"]
            for name, value in SETTINGS.items():
                argv += ["-c", f"{name}={value}"]
            offset = self._log.stat().st_size if self._log.exists() else 0
            self._child = child = Child(argv, self._account, self._log)
            if self._wait_ready(child):
                return
            said = self._log.read_bytes()[offset:].decode(errors="replace")
            if "could not bind" not in said or self._wanted_port is not None or left == 0:
                raise self._failure(said, child)

    def _wait_ready(self, child: Child) -> bool:
        """True once the server takes connections, False if it has ended before."""
        assert self._cluster is not None
        deadline = time.monotonic() + self._patience_s
        while not child.gone.wait(0.01):
            # postmaster.pid: line 1 is the process id, line 8 the state (src/include/utils/pidfile.h).
            lines = _lines(self._cluster / "postmaster.pid")
            if len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready":
                return True
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"PostgreSQL was not ready after {self._patience_s:g} s. After a crash it replays its log first: "
                    f"wait and start again, and check that the disk is not full.{self._shown(_lines(self._log))}"
                )
        return False

    def _failure(self, said: str, child: Child) -> PostgresError:
        advice = "read why below"
        if "could not bind" in said:
            advice = f"port {self._port} is taken; stop who uses it, or name another port"
        elif "No space left" in said:
            advice = "the disk is full; make room and start again"
        return PostgresError(
            f"PostgreSQL {self.binaries.version} ended at its start with status {child.status()}: {advice}."
            + self._shown(said.splitlines())
        )

    def _shown(self, lines: list[str]) -> str:
        shown = "".join(f"\n  {line}" for line in lines[-LOG_LINES_SHOWN:])
        return f" Last lines of {self._log}:{shown}" if shown else f" {self._log} is empty."

    def _check_login(self) -> None:
        """Log in once with each password, so that a wrong one shows here and not at the first alarm."""
        assert self._passwords is not None
        for user, password in ((OWNER, self._passwords.owner), (APP, self._passwords.app)):
            said = self._psql(user, password, "SELECT 1")
            if said is not None:
                raise PostgresError(
                    f"PostgreSQL runs but refuses the login {user}: {said}. If the password files in {self.data} "
                    "come from elsewhere, delete both: the next start sets new ones"
                )

    def _sql(self, statement: str) -> None:
        if self._passwords is None:
            raise PostgresError("this PostgreSQL has not been started; call start() first")
        said = self._psql(OWNER, self._passwords.owner, statement)
        if said is not None:
            raise PostgresError(f"PostgreSQL refused {statement!r}: {said}")

    def _psql(self, user: str, password: str, statement: str) -> str | None:
        """Run one statement; None if it worked, else what psql said."""
        argv = [self.binaries.program("psql"), "-XqAtw", "-v", "ON_ERROR_STOP=1", "-h", HOST, "-p", str(self._port)]
        answer = subprocess.run(  # noqa: S603 (our own arguments)
            [*argv, "-U", user, "-d", DATABASE, "-c", statement],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=bare_environment() | {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10"},
        )
        return None if answer.returncode == 0 else answer.stderr.strip()

    def _running_child(self) -> Child:
        if self._child is None:
            raise PostgresError("this PostgreSQL is not started; call start() first")
        return self._child

    def _stop_at_exit(self) -> None:
        if os.getpid() == self._starter:  # A forked copy of this process must not stop its parent's server.
            self.stop()


def _lock(path: Path, data: Path) -> IO[str]:
    """Hold the folder for this process; the lock goes with the process, however it ends."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read().strip()
        file.close()
        raise PostgresError(
            f"the database in {data} is in use by process {holder or 'unknown'}; stop that one, "
            "or set LIVLINA_DATA to another folder"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _make_open(folder: Path) -> None:
    """A folder that every user can enter, whatever this process's umask is."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise PostgresError(
            f"{name!r} is no database name: a small letter, then small letters, digits and _, 63 at most"
        )
    return name


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
