"""The operators' stream over a real server and a real database: no gap, no double, no false sign of life."""

from __future__ import annotations

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.web_server import Scene, WebServer, postgres, scene, until

__all__ = ["postgres", "scene"]

PATIENCE_S = 60


class Watcher:
    """A console without a screen: keeps its cursor and every position it was told of."""

    def __init__(self, server: WebServer, client: httpx.Client) -> None:
        self.server = server
        self.cookie = {"Cookie": f"livlina_session={client.cookies['livlina_session']}"}
        self.cursor: int | None = None
        self.scope = ""
        self.cases: dict[int, dict[str, Any]] = {}
        self.positions: list[int] = []
        self.around: dict[int, dict[str, Any]] = {}
        self.snapshots = 0
        self.socket: ClientConnection | None = None

    def open(self, **options: Any) -> Watcher:
        after = "" if self.cursor is None else f"?after={self.cursor}&scope={self.scope}"
        url = f"{self.server.base.replace('http', 'ws')}/ws{after}"
        self.socket = connect(url, additional_headers=self.cookie, legacy=True, **options)
        return self

    def frame(self) -> dict[str, Any]:
        assert self.socket is not None
        frame: dict[str, Any] = json.loads(self.socket.recv(PATIENCE_S))
        if frame["type"] == "snapshot":
            self.snapshots += 1
            self.cursor, self.scope = frame["cursor"], frame["scope"]
            self.cases = {case["id"]: case for case in frame["cases"]}
        elif frame["type"] == "change":
            self.cursor = frame["position"]
            self.positions.append(frame["position"])
            self.cases[frame["case"]["id"]] = frame["case"]
        elif frame["type"] == "around":
            self.around |= {int(case): value for case, value in frame["cases"].items()}
        else:
            assert frame["type"] == "beat"
            assert frame["cursor"] == self.cursor
        return frame

    def until(self, position: int) -> None:
        while self.cursor is None or self.cursor < position:
            self.frame()

    def until_beat(self) -> dict[str, Any]:
        while (frame := self.frame())["type"] != "beat":
            pass
        return frame

    def code(self) -> int:
        """Reads to the end; the code that the server closed with."""
        try:
            while True:
                self.frame()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()


def newest(scene: Scene) -> int:
    return int(scene.sql("SELECT coalesce(max(position), 0) FROM case_log")[0][0])


def positions(scene: Scene, *municipalities: int) -> list[int]:
    rows = scene.sql(
        "SELECT position FROM case_log WHERE municipality_id = ANY (%s) ORDER BY position", list(municipalities)
    )
    return [row[0] for row in rows]


def test_snapshot_then_changes_then_beats(scene: Scene) -> None:
    server = scene.server()
    client = scene.client(server, "bo")
    first = scene.town.press(1, 1)
    watcher = Watcher(server, client).open()
    snapshot = watcher.frame()
    assert snapshot["type"] == "snapshot"
    assert [case["id"] for case in snapshot["cases"]] == [first]
    second = scene.town.press(2, 1)
    scene.town.press(3, 2)  # another municipality's
    client.post(f"/api/cases/{second}/take", json={})
    client.post(f"/api/cases/{second}/close", json={"outcome": "helped"})
    watcher.until(newest(scene))
    assert watcher.positions == positions(scene, 1)[1:]
    assert watcher.cases[second]["outcome"] == "helped"
    beat = watcher.until_beat()
    assert beat["cursor"] == newest(scene)
    assert beat["at"].endswith("+00:00")


def test_a_console_misses_and_repeats_nothing_over_a_killed_server(scene: Scene) -> None:
    server = scene.server()
    watchers = [Watcher(server, scene.client(server, login)).open() for login in ("anna", "bo", "cilla")]
    for watcher in watchers:
        watcher.until_beat()
    stop = threading.Event()
    pressed: list[int] = []

    def press_on() -> None:
        while not stop.is_set():
            unit = len(pressed) % 4 + 1
            pressed.append(scene.town.press(unit, 1 if unit < 3 else 2))

    presser = threading.Thread(target=press_on)
    presser.start()
    try:
        for _ in range(3):
            before = len(pressed)
            until(lambda before=before: len(pressed) > before + 5, "presses to go on")
            server.stop(signal.SIGKILL)
            for watcher in watchers:
                with pytest.raises(ConnectionClosed):
                    while True:
                        watcher.frame()
            before = len(pressed)
            until(lambda before=before: len(pressed) > before + 5, "presses while the server is down")
            server.start()
            for watcher in watchers:
                watcher.open()
    finally:
        stop.set()
        presser.join()
    for watcher, seen in zip(watchers, ((1, 2), (1,), (2,)), strict=True):
        watcher.until(positions(scene, *seen)[-1])
        assert watcher.positions == positions(scene, *seen)
        assert watcher.snapshots == 1
        watcher.close()


def test_negative_control_a_console_without_cursor_does_miss_changes(scene: Scene) -> None:
    server = scene.server()
    watcher = Watcher(server, scene.client(server, "anna")).open()
    watcher.until_beat()
    scene.town.press(1, 1)
    watcher.until(newest(scene))
    watcher.close()
    scene.town.press(2, 1)
    watcher.cursor = None  # forgets where it was
    watcher.open().until_beat()
    assert watcher.positions != positions(scene, 1, 2)
    assert set(watcher.cases) == {1, 2}  # the snapshot has what the changes would have told


def test_a_slow_console_is_cut_and_resumes_from_its_cursor(scene: Scene) -> None:
    server = scene.server(queue_frames=100, resume_positions=10**6, send=60)
    client = scene.client(server, "anna")
    case = scene.town.press(1, 1)
    # Large frames, so that a few hundred are more than all buffers on the way and the queue hold.
    scene.sql("UPDATE cases SET marks = ARRAY[repeat('x', 30000)]")
    slow = Watcher(server, client).open(max_queue=1, compression=None)
    quick = Watcher(server, client).open(compression=None)
    for watcher in (slow, quick):
        watcher.until_beat()
    for _ in range(12):
        scene.sql(
            "INSERT INTO case_log (municipality_id, case_id, at, change, actor) "
            "SELECT 1, %s, now(), 'repeated', 'unit 00000001' FROM generate_series(1, 50)",
            case,
        )
        quick.until(newest(scene))
    assert quick.positions == positions(scene, 1, 2)[1:]
    end = newest(scene)
    with pytest.raises(ConnectionClosed):
        while True:
            slow.frame()
    assert slow.cursor is not None
    assert slow.cursor < end  # it was cut, it did not catch up
    while slow.cursor < end:
        try:
            slow.open().until(end)
        except ConnectionClosed:
            continue
    assert slow.positions == positions(scene, 1, 2)[1:]
    assert slow.snapshots == 1


def test_positions_only_grow_whoever_commits_at_the_same_time(scene: Scene) -> None:
    servers = [scene.server(), scene.server()]
    watchers = [Watcher(server, scene.client(server, "anna")).open() for server in servers]
    for watcher in watchers:
        watcher.until_beat()
    client = scene.client(servers[0], "anna")

    def work(unit: int) -> None:
        for _ in range(8):
            case = scene.town.press(unit, 1 if unit < 3 else 2)
            scene.town.press(unit, 1 if unit < 3 else 2)
            client.post(f"/api/cases/{case}/take", json={})
            client.post(f"/api/cases/{case}/close", json={"outcome": "test"})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, (1, 2, 3, 4)))
    told = positions(scene, 1, 2)
    assert len(told) == 4 * 8 * 4
    for watcher in watchers:
        watcher.until(told[-1])
        assert watcher.positions == told  # every one, once, in growing order


def test_negative_control_without_the_logs_lock_a_late_commit_is_missed(scene: Scene) -> None:
    server = scene.server()
    case = scene.town.press(1, 1)
    watcher = Watcher(server, scene.client(server, "anna")).open()
    watcher.until_beat()
    insert = (
        "INSERT INTO case_log (municipality_id, case_id, at, change, actor) "
        "VALUES (1, %s, now(), 'repeated', 'unit 00000001')"
    )
    with psycopg.connect(scene.database.owner_url) as late:
        late.execute(insert, [case])  # takes its position, and commits after the next one
        scene.sql(insert, case)
        watcher.until(newest(scene))
        late.commit()
    watcher.until_beat()
    assert watcher.positions != positions(scene, 1)[1:]


def test_without_the_database_there_is_no_beat_and_afterwards_nothing_is_missing(scene: Scene) -> None:
    server = scene.server(beat=0.2, poll=0.1, fresh=0.5)
    client = scene.client(server, "anna")
    watcher = Watcher(server, client).open()
    watcher.until_beat()
    assert watcher.socket is not None
    with scene.database_away():
        with pytest.raises(TimeoutError):  # the open stream falls silent
            while True:
                watcher.socket.recv(3)
        beside = Watcher(server, client)
        assert beside.open().code() == 4503  # a new one is told to try again, and no more
    case = scene.town.press(1, 1)
    watcher.until(newest(scene))
    assert case in watcher.cases
    watcher.until_beat()


def test_negative_control_a_beat_that_does_not_ask_the_database_would_lie(scene: Scene) -> None:
    server = scene.server(beat=0.2, poll=0.1, fresh=3600)
    watcher = Watcher(server, scene.client(server, "anna")).open()
    watcher.until_beat()
    with scene.database_away():
        for _ in range(10):
            watcher.until_beat()


def test_a_stream_ends_with_its_session(scene: Scene) -> None:
    server = scene.server(receipts=0.2)
    other = scene.server(receipts=0.2)
    client = scene.client(server, "anna")
    here, there = Watcher(server, client).open(), Watcher(other, client).open()
    for watcher in (here, there):
        watcher.until_beat()
    assert client.post("/logout").status_code == 303
    assert here.code() == 4401
    assert there.code() == 4401  # the other process sees it in the database
    closed = Watcher(server, scene.client(server, "bo")).open()
    closed.until_beat()
    scene.sql("UPDATE users SET closed_at = now() WHERE login = 'bo'")
    assert closed.code() == 4401
    moved = Watcher(server, scene.client(server, "cilla")).open()
    moved.until_beat()
    scene.sql("UPDATE users SET municipalities = '{1}' WHERE login = 'cilla'")
    assert moved.code() == 4409  # its cursor says nothing about the new municipality's open cases
    moved.cursor = None
    scene.town.press(1, 1)
    assert {case["municipality_id"] for case in moved.open().frame()["cases"]} == {1}


def test_a_console_that_was_away_while_its_municipalities_changed_sees_the_open_cases_of_the_new_one(
    scene: Scene,
) -> None:
    """Its cursor is good, but the case was opened before it, unseen: only a snapshot shows it."""
    server = scene.server()
    client = scene.client(server, "bo")
    hidden = scene.town.press(3, 2)
    scene.town.press(1, 1)
    watcher = Watcher(server, client).open()
    watcher.until_beat()
    assert hidden not in watcher.cases
    watcher.close()
    watcher.open().until_beat()
    assert watcher.snapshots == 1, "negative control: nothing has changed, the cursor is enough"
    watcher.close()
    scene.sql("UPDATE users SET municipalities = '{1,2}' WHERE login = 'bo'")
    watcher.open().until_beat()
    assert hidden in watcher.cases


def test_receipts_are_kept_and_a_manned_console_keeps_its_log_in(scene: Scene) -> None:
    server = scene.server(receipts=0.2, idle=3.0)
    scene.town.press(1, 1)
    manned = Watcher(server, scene.client(server, "anna")).open()
    assert manned.socket is not None
    manned.socket.send(json.dumps({"manned": True}))
    unmanned = Watcher(server, scene.client(server, "bo")).open()
    assert unmanned.socket is not None
    for watcher in (manned, unmanned):
        watcher.until_beat()
    manned.socket.send(json.dumps({"seen": 10**12}))  # nobody has painted what was never sent
    unmanned.socket.send(json.dumps({"seen": 0}))
    annas = "FROM web_sessions JOIN users USING (user_id) WHERE login = 'anna'"
    shown = f"SELECT shown_position {annas} AND shown_at IS NOT NULL"
    assert until(lambda: scene.sql(shown), "the receipt in the database") == [(newest(scene),)]
    assert unmanned.code() == 4401  # idle and nobody there
    made = f"SELECT web_sessions.made_at < now() - interval '6 seconds' {annas}"
    until(lambda: scene.sql(made) == [(True,)], "twice the idle time to pass")
    manned.until_beat()


def test_what_the_stream_refuses(scene: Scene) -> None:
    server = scene.server()
    client = scene.client(server, "anna")
    scene.town.press(1, 1)
    stranger = Watcher(server, client)
    stranger.cookie = {"Cookie": f"livlina_session={'A' * 43}"}
    assert stranger.open().code() == 4401
    assert stranger.cursor is None
    for origin in ("https://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            Watcher(server, client).open(origin=origin)
        assert refused.value.response.status_code == 403
    Watcher(server, client).open(origin=server.base).until_beat()  # negative control: our own page gets in
    for bad in ("x", "-1", "1" * 30):
        watcher = Watcher(server, client)
        watcher.cursor = bad  # type: ignore[assignment]
        assert watcher.open().code() == 4400
    ahead = Watcher(server, client)
    ahead.cursor = 10**9  # of a database that was restored from a backup
    assert ahead.open().frame()["type"] == "snapshot"
    for message in ("[]", "{", '{"seen": "1"}', '{"seen": true}', '{"take": 1}', "[" * 4000, b"\x00"):
        watcher = Watcher(server, client).open()
        watcher.until_beat()
        assert watcher.socket is not None
        watcher.socket.send(message)
        assert watcher.code() == 4400, message
    flood = Watcher(server, client).open()
    assert flood.socket is not None
    flood.socket.send('{"seen": 1' + " " * 5000 + "}")
    assert flood.code() == 1009
