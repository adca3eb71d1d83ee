"""The copies of one migrated cluster that houses and scenarios of a run begin with."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from fleet.store.migrate import migrate, shipped
from fleet.store.postgres_cluster import APP, Passwords
from tests import ready_cluster
from tests.postgres_place import AS_ROOT, Place, value
from tests.ready_cluster import TEMPLATE, lay

RUN = Path(tempfile.gettempdir())


class Everywhere:
    """An account that may enter every folder."""

    def can_enter(self, _: Path) -> bool:
        return True


def test_copies_are_migrated_and_each_has_passwords_of_its_own(place: Place) -> None:
    one, two = place.server("one"), place.server("two")
    for server in (one, two):
        lay(RUN, server.data)
        server.start()
        for database in ("livlina", TEMPLATE):
            url, app_url = server.urls(database)
            assert migrate(url, app_login=APP) == []
            assert value(url, "SELECT count(*) FROM schema_migrations") == len(shipped())
            assert value(app_url, "SELECT current_user") == APP
    first, second = Passwords.read(one.data), Passwords.read(two.data)
    assert first is not None and second is not None and not {first.owner, first.app} & {second.owner, second.app}
    foreign = one.owner_url.replace(first.owner, second.owner)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(foreign)
    with psycopg.connect(one.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE ours ()")
    assert value(two.owner_url, "SELECT to_regclass('ours')") is None


def test_a_copy_that_was_broken_off_is_no_database(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    server = place.server()

    def killed(command: list[str], **_: object) -> None:
        Path(command[-1]).mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", killed)
        patch.setattr(ready_cluster, "_original", lambda run: run)
        patch.setattr(ready_cluster, "account_for", lambda _: Everywhere())
        with pytest.raises(KeyboardInterrupt):
            lay(RUN, server.data)
    lay(RUN, server.data)
    # The name that the product's own making has until it is whole, and clears away (test_embedded_postgres.py).
    assert [one.name for one in (server.data / "postgres").iterdir()] == ["cluster.new"]


def test_nothing_is_laid_over_what_is_there_or_where_postgresql_cannot_go(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "postgres.owner-password").write_text("of a database that was here\n")
    lay(RUN, kept)
    assert [one.name for one in kept.iterdir()] == ["postgres.owner-password"]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    lay(RUN, closed / "data")
    assert bool(list((closed / "data").iterdir())) is not AS_ROOT
