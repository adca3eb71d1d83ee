"""One migrated PostgreSQL cluster a run, made as the product makes it by whoever comes first; test processes, houses
and scenarios begin with a copy of it instead of making each its own.

A copy comes without password files, so `EmbeddedPostgres.start` gives it passwords of its own. What a test starts as a
program, and each `EmbeddedPostgres` that a test makes itself, begins with nothing, as everywhere else.
"""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from functools import partial
from pathlib import Path

from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.migrate import migrate
from fleet.store.postgres_account import account_for
from fleet.store.postgres_cluster import APP
from sim import migrated
from tests.questions import ask, hang_up

TEMPLATE = "template_livlina"
"""The migrated database beside the product's own, which each test's database is a copy of."""


def provide(run: Path) -> None:
    """From now on this process's houses, scenarios and clusters begin with copies; the original lies in `run`."""
    migrated.prepare = partial(lay, run)


def add_template(postgres: EmbeddedPostgres) -> None:
    """The database `TEMPLATE`, migrated, where it is not there yet; no connection stays open."""
    if not ask(postgres.owner_url, "SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]):
        migrate(postgres.create_database(TEMPLATE)[0], app_login=APP)
    hang_up(postgres.owner_url)


def lay(run: Path, data: Path) -> None:
    """A copy of the run's cluster where `EmbeddedPostgres(data)` looks for its own.

    Where something of PostgreSQL's is already, or its user cannot enter, nothing is done: the product sees to it. A
    copy that was broken off has the name of a making that was broken off, which the next start clears away.
    """
    data.mkdir(parents=True, exist_ok=True)
    original = None if any(data.glob("postgres*")) else _original(run)
    if original is None or not account_for(original).can_enter(data):
        return
    place = data / "postgres"
    place.mkdir()
    place.chmod(0o755)
    beside = place / "cluster.new"
    subprocess.run(["/bin/cp", "-a", "--reflink=auto", str(original), str(beside)], check=True)
    beside.rename(place / "cluster")


def _original(run: Path) -> Path | None:
    """The run's cluster, stopped; made if it is not there yet. Whoever comes meanwhile waits; the lock goes with its
    process, and the cluster appears whole."""
    original = run / "ready-cluster"
    with (run / "ready-cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return original if original.exists() or _make(original) else None


def _make(original: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=original.parent, prefix="ready-cluster.") as folder:
        Path(folder).chmod(0o755)
        postgres = EmbeddedPostgres(Path(folder))
        try:
            postgres.start()
            migrate(postgres.owner_url, app_login=APP)
            add_template(postgres)
        finally:
            postgres.stop()
        cluster = Path(folder, "postgres", "cluster")
        # It may lie elsewhere, out of a closed folder; and a server that had to be killed has left processes behind.
        if cluster.parent.is_symlink() or (cluster / "postmaster.pid").exists():
            postgres.destroy()
            return False
        cluster.rename(original)
        return True
