"""The embedded PostgreSQL and the processes around it: killed programs, orphans, threads, misleading lock files."""

import multiprocessing
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from fleet.store import postgres_child
from fleet.store.embedded_postgres import EmbeddedPostgres, PostgresError
from tests.postgres_place import AS_ROOT, ROOT, Place, gone, ready, value


def test_all_processes_killed_at_once_lose_nothing_committed(place: Place) -> None:
    server = place.server()
    server.start()
    with psycopg.connect(server.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE press AS SELECT 7 AS number")
        assert server.pid is not None
        postmaster = psutil.Process(server.pid)
        backends = postmaster.children()
        assert backends
        postmaster.suspend()  # so that it cannot clean up after its children
        for backend in backends:
            backend.kill()
        server.kill()
    server.restart_if_dead()
    assert value(server.owner_url, "SELECT number FROM press") == 7


def test_one_data_folder_has_one_server(place: Place) -> None:
    first, second = place.server(), place.server()
    first.start()
    with pytest.raises(PostgresError, match=f"in use by process {os.getpid()}"):
        second.start()
    with pytest.raises(PostgresError, match="in use by process"):
        second.destroy()
    assert value(first.owner_url, "SELECT 1") == 1
    first.stop()
    second.start()
    assert value(second.owner_url, "SELECT 1") == 1


def _in_a_short_thread(work: "Callable[[], object]") -> None:
    """Run something in a thread and return once the kernel has no such thread any more."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    while Path(f"/proc/self/task/{thread.native_id}").exists():
        pass


def test_it_outlives_the_thread_that_started_it(place: Place) -> None:
    server = place.server()
    _in_a_short_thread(server.start)
    assert value(server.owner_url, "SELECT 1") == 1
    assert server.poll() is None
    # The control: a child that a short-lived thread started itself, tied in the same way, ends with that thread.
    children: list[subprocess.Popen[bytes]] = []
    tie = postgres_child.ties_to_parent()
    _in_a_short_thread(
        lambda: children.append(subprocess.Popen(["/bin/sleep", "600"], preexec_fn=tie))  # noqa: PLW1509
    )
    try:
        assert children[0].wait(30) == -signal.SIGINT
    finally:
        children[0].kill()
    assert value(server.owner_url, "SELECT 1") == 1


def _as_ordinary_user(folder: Path, uid: int, answers: "multiprocessing.SimpleQueue[object]") -> None:
    if AS_ROOT:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    server = EmbeddedPostgres(folder / "data", source="installed", state=folder / "state")
    server.start()
    answers.put((value(server.app_url, "SELECT current_user"), psutil.Process(server.pid).uids().effective))
    server.stop()


def test_it_needs_no_root(place: Place) -> None:
    uid = pwd.getpwnam("nobody").pw_uid if AS_ROOT else os.geteuid()
    mine = place.folder / "mine"
    mine.mkdir()
    os.chown(mine, uid, -1)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=_as_ordinary_user, args=(mine, uid, answers))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert answers.get() == ("livlina_app", uid)
    assert not (mine / "state").exists()
    if AS_ROOT:  # Root takes the database over without changing whose it is.
        server = place.server("mine/data", source="installed")
        server.start()
        assert psutil.Process(server.pid).uids().effective == uid


STARTER = """
import sys, signal
from pathlib import Path
from fleet.store.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), state=Path(sys.argv[2]))
server.start()
print(server.pid, server.owner_url, flush=True)
if sys.argv[3] == "wait":
    signal.pause()
"""


def _start_elsewhere(place: Place, then: str) -> "tuple[subprocess.Popen[str], psutil.Process, str]":
    program = [sys.executable, "-c", STARTER, str(place.folder / "data"), str(place.state), then]
    parent = subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, url = parent.stdout.readline().split()
    return parent, psutil.Process(int(pid)), url


def test_it_goes_when_its_program_is_killed(place: Place) -> None:
    parent, postmaster, url = _start_elsewhere(place, "wait")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    parent.kill()
    parent.wait()
    assert parent.stdout is not None
    parent.stdout.close()
    gone(postmaster)
    server = place.server()
    server.start()
    assert value(server.owner_url, "SELECT a FROM kept") == 1


def test_it_goes_when_its_program_ends_without_stopping_it(place: Place) -> None:
    parent, postmaster, _ = _start_elsewhere(place, "end")
    assert parent.wait(60) == 0
    assert parent.stdout is not None
    parent.stdout.close()
    gone(postmaster)
    assert "database system is shut down" in (place.folder / "data/postgres.log").read_text()


def test_an_orphan_of_this_folder_is_ended_and_its_rows_kept(place: Place) -> None:
    server = place.server()
    server.start()
    with psycopg.connect(server.owner_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    program, cluster = server.binaries.program("postgres"), place.folder / "data/postgres/cluster"
    server.stop()
    owner = cluster.stat()
    orphan = subprocess.Popen(
        [program, "-D", str(cluster), "-c", f"port={server.port}", "-c", "unix_socket_directories="],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=owner.st_uid if AS_ROOT else None,
        group=owner.st_gid if AS_ROOT else None,
        extra_groups=[] if AS_ROOT else None,
    )
    try:
        ready(orphan, cluster)
        server.start()
        assert orphan.wait(60) == 0  # a fast shutdown, not a kill
    finally:
        orphan.kill()
    assert value(server.owner_url, "SELECT a FROM kept") == 1


def test_a_lock_file_that_names_an_innocent_process_harms_nobody(place: Place) -> None:
    server = place.server()
    server.start()
    lock = place.folder / "data/postgres/cluster/postmaster.pid"
    content = lock.read_text().split("\n", 1)
    server.kill()
    owner = lock.stat()
    innocent = subprocess.Popen(
        ["/bin/sleep", "600"], cwd="/", user=owner.st_uid if AS_ROOT else None, extra_groups=[] if AS_ROOT else None
    )
    try:
        lock.write_text(f"{innocent.pid}\n{content[1]}")
        assert server.restart_if_dead() is True
        assert value(server.owner_url, "SELECT 1") == 1
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_a_lock_file_that_names_a_zombie_blocks_nothing(place: Place) -> None:
    server = place.server()
    server.start()
    lock = place.folder / "data/postgres/cluster/postmaster.pid"
    content = lock.read_text().split("\n", 1)
    server.kill()
    owner = lock.stat()
    zombie = subprocess.Popen(["/bin/true"], cwd="/", user=owner.st_uid if AS_ROOT else None)
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    lock.write_text(f"{zombie.pid}\n{content[1]}")
    assert psutil.Process(zombie.pid).status() == psutil.STATUS_ZOMBIE
    assert server.restart_if_dead() is True
    zombie.wait()
