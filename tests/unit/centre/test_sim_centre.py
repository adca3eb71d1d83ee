"""The simulated centre: nothing acknowledged is ever lost, repeats are known after a kill, behaviours switch."""

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protocols.centre.alarm import Action, Alarm, Category, Correlation, Source, Transmitter
from protocols.centre.sia_dc09 import Closed, Delivered, Refused, Sender, alarm_frame, encode, poll
from sim.centre import Behaviour, Centre, LogError
from tests.ports import free_port
from tests.steps import LIMIT_S, in_loop

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 1, 2, tzinfo=UTC)

# The same program with the one protection off: it acknowledges before anything is on the disk.
ACK_BEFORE_STORE = """
import sys
from sim import centre
centre.AlarmLog.append = lambda self, records: None
sys.exit(centre.main(sys.argv[1:]))
"""


def frame(number, minimal=False):
    alarm = Alarm(
        id=str(number),
        received_at=AT,
        source=Source("fleet", "mqtt"),
        transmitter=Transmitter("0000002a"),
        action=Action.NEW,
        category=Category.PERSONAL_HELP,
        correlation=Correlation(reference=f"0000002a-3-{number}"),
    )
    return alarm_frame(alarm, number, "0000002A", minimal)


class Line:
    """A blocking connection to the centre, driven by the real sender machine."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.sender = Sender()

    def send(self, message):
        self.socket.sendall(self.sender.send(message, 0.0))
        while True:
            octets = self.socket.recv(4096)
            outcomes = self.sender.received(octets, 0.0) if octets else self.sender.closed(0.0)
            if outcomes:
                return outcomes[0]


@contextmanager
def process(log, port, *, program=("-m", "sim.centre"), behaviour="ack"):
    command = [sys.executable, *program, "--listen", f"127.0.0.1:{port}", "--log", str(log), "--behaviour", behaviour]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as centre:
        try:
            assert centre.stdout.readline() == f"listening 127.0.0.1:{port}\n"
            yield centre
        finally:
            centre.kill()


def logged(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def acknowledged_until_killed(log, port, alarms, **more):
    """Send alarms, kill -9 the centre right after the last ACK, and give the references that were acknowledged."""
    with process(log, port, **more) as centre:
        line = Line(port)
        for number in range(1, alarms + 1):
            assert isinstance(line.send(frame(number)), Delivered)
        centre.kill()
        centre.wait()
    return [f"0000002a-3-{number}" for number in range(1, alarms + 1)]


def test_what_was_acknowledged_survives_kill_9_and_a_repeat_is_known(tmp_path):
    log, port = tmp_path / "centre.jsonl", free_port()
    references = acknowledged_until_killed(log, port, 20)
    assert [line["reference"] for line in logged(log)] == references
    with log.open("ab") as torn:
        torn.write(b'{"at": "2026-01-02T10:00')
    with process(log, port):
        line = Line(port)
        assert isinstance(line.send(frame(20)), Delivered)
        assert isinstance(line.send(frame(21)), Delivered)
    assert [(entry["reference"], entry["duplicate"]) for entry in logged(log)[19:]] == [
        ("0000002a-3-20", False),
        ("0000002a-3-20", True),
        ("0000002a-3-21", False),
    ]


def test_the_kill_finds_a_centre_that_acknowledges_before_it_stores(tmp_path):
    log, port = tmp_path / "centre.jsonl", free_port()
    references = acknowledged_until_killed(log, port, 5, program=("-c", ACK_BEFORE_STORE))
    assert references
    assert logged(log) == []


def test_a_line_of_the_log(tmp_path):
    log, port = tmp_path / "centre.jsonl", free_port()
    with process(log, port) as centre:
        Line(port).send(frame(7))
        centre.send_signal(signal.SIGTERM)
        assert centre.wait(LIMIT_S) == 0
    (entry,) = logged(log)
    assert datetime.fromisoformat(entry.pop("at")).tzinfo is not None
    assert entry == {
        "account": "0000002A",
        "seq": "0007",
        "reference": "0000002a-3-7",
        "category": "PERSONAL_HELP",
        "duplicate": False,
        "text": "",
        "raw": encode(frame(7)).hex(),
    }


def test_behaviour_is_switched_by_a_line(tmp_path):
    log, port = tmp_path / "centre.jsonl", free_port()
    with process(log, port, behaviour="duh") as centre:

        def switch(word):
            centre.stdin.write(f"{word}\n")
            centre.stdin.flush()
            assert centre.stdout.readline() == f"behaviour {word}\n"

        line = Line(port)
        assert isinstance(line.send(frame(1)), Refused)
        switch("refuse")
        assert line.socket.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            Line(port)
        switch("ack")
        assert isinstance(Line(port).send(frame(1, minimal=True)), Delivered)
        centre.send_signal(signal.SIGINT)
        assert centre.wait(LIMIT_S) == 0
    assert [entry["reference"] for entry in logged(log)] == ["0000002a-3-1"]


def test_in_process_it_counts_and_waits(tmp_path):
    async def steps():
        centre = Centre()
        port = await centre.start("127.0.0.1", free_port(), tmp_path / "centre.jsonl")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(encode(poll("0000002A")) + encode(frame(1)) * 2 + encode(frame(2)) + b"junk")
        await centre.wait_for(2)
        answers = await reader.readuntil(b'"ACK"0002R0L0#0000002A[]\r')
        assert answers.count(b'"ACK"0001') == 2
        assert [record.seq for record in centre.alarms] == ["0001", "0002"]
        assert [record.duplicate for record in centre.records] == [False, True, False]
        assert centre.heartbeats == 1
        assert centre.bad == {"garbage": 1}
        await centre.stop()
        assert await reader.read() == b""
        writer.close()

    in_loop(steps)


def test_silent_stores_nothing_and_mute_stores_without_a_word(tmp_path):
    async def steps():
        centre = Centre(Behaviour.SILENT)
        port = await centre.start("127.0.0.1", free_port(), tmp_path / "centre.jsonl")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(encode(frame(1)))
        while not centre.ignored_octets:
            await asyncio.sleep(0)
        assert centre.records == []
        await centre.switch(Behaviour.MUTE)
        writer.write(encode(frame(1)))
        await centre.wait_for(1)
        await centre.switch(Behaviour.ACK)
        writer.write(encode(frame(1)))
        assert (await reader.readuntil(b"\r")).endswith(b'"ACK"0001R0L0#0000002A[]\r')
        assert [record.duplicate for record in centre.records] == [False, True]
        writer.close()
        await centre.stop()

    in_loop(steps)


def test_while_it_refuses_nobody_else_is_given_its_port(tmp_path):
    """A centre of another program there would acknowledge what is meant for this one."""

    async def steps():
        centre = Centre()
        port = await centre.start("127.0.0.1", 0, tmp_path / "centre.jsonl")
        await centre.switch(Behaviour.REFUSE)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        await centre.switch(Behaviour.ACK)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(encode(frame(1)))
        await centre.wait_for(1)
        writer.close()
        await centre.stop()

    in_loop(steps)


def test_a_full_disk_gives_no_acknowledgement(tmp_path):
    async def steps():
        centre = Centre()
        port = await centre.start("127.0.0.1", free_port(), Path("/dev/full"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sender = Sender()
        writer.write(sender.send(frame(1), 0.0))
        assert await reader.read() == b""
        assert sender.closed(0.0) == [Closed("0001", "0000002A")]
        assert centre.records == []
        assert centre.bad == {"not-stored": 1}
        writer.close()
        await centre.stop()

    in_loop(steps)


def test_a_sync_that_fails_gives_no_acknowledgement(tmp_path, monkeypatch):
    """kill -9 cannot show a missing sync, so the disk itself refuses it here."""

    def refuse(descriptor):
        raise OSError(errno.EIO, "input/output error")

    async def steps():
        centre = Centre()
        port = await centre.start("127.0.0.1", free_port(), tmp_path / "centre.jsonl")
        monkeypatch.setattr(os, "fsync", refuse)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(encode(frame(1)))
        assert await reader.read() == b""
        assert (centre.records, centre.bad) == ([], {"not-stored": 1})
        assert (tmp_path / "centre.jsonl").read_bytes() == b""
        writer.close()
        await centre.stop()

    in_loop(steps)


@pytest.mark.parametrize("line", ["not json", "{}", '{"raw": "00"}'])
def test_a_file_that_is_no_log_is_named_and_left_alone(tmp_path, line):
    log = tmp_path / "centre.jsonl"
    log.write_text(f"{line}\n")

    async def steps():
        with pytest.raises(LogError, match="name another file"):
            await Centre().start("127.0.0.1", free_port(), log)

    in_loop(steps)
    assert log.read_text() == f"{line}\n"
