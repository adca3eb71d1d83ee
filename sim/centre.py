"""A simulated alarm centre that speaks SIA DC-09 over TCP, as a process of its own or inside a test.

    python -m sim.centre --listen 127.0.0.1:PORT --log FILE.jsonl [--behaviour ack|silent|refuse|duh|mute]

It keeps the promise of an ACK: every alarm is a line in the log, synced to the disk, before the ACK goes out; kill -9
loses nothing that was acknowledged. At start it reads the log again, so a message that was answered before the kill is
known as a repeat after it. A torn last line is cut off: it was never acknowledged.

`listening HOST:PORT` on standard output says that it is ready. A line on standard input switches the behaviour while it
runs, and `behaviour NAME` on standard output says that it has been switched:
ack     store and acknowledge.
silent  accept connections, store nothing, say nothing.
mute    store, but say nothing: the acknowledgement is lost on the way.
refuse  no connection is accepted, and those that are open are cut.
duh     answer that the message cannot be processed, store nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from protocols.centre.alarm import Action, Alarm
from protocols.centre.sia_dc09.frame import FrameError, decode
from protocols.centre.sia_dc09.receiver import AlarmReceived, Bad, Event, Heartbeat, Receiver, Seen, Verdict, dedupe_key

READ_OCTETS = 65536
REPEAT_WINDOW_S = 86_400.0
"""How long a repeat counts as one: longer than any outage that a demo or a scenario plays."""
_ABOUT_A_KNOWN_ONE = frozenset({Action.STATUS, Action.INFO})
"""News of an alarm that the centre has, such as where its unit is: no other alarm."""


class Behaviour(StrEnum):
    """How the centre treats what comes; see the module's page."""

    ACK = "ack"
    SILENT = "silent"
    MUTE = "mute"
    REFUSE = "refuse"
    DUH = "duh"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log. `at` is ISO 8601 UTC, `raw` the frame in hex; `seq` and `account` are text, verbatim."""

    at: str
    account: str
    seq: str
    reference: str | None
    category: str
    duplicate: bool
    text: str
    raw: str


class LogError(RuntimeError):
    """The log holds a line that this program did not write. Move the file away or name another one."""


class AlarmLog:
    """The centre's durable memory: JSON lines, appended and synced before `append` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def open(self) -> list[Record]:
        """Open for appending and give what is there already, a torn last line cut off."""
        new = not self._path.exists()
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if new:
            folder = os.open(self._path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        # A device such as /dev/full has no past to read.
        content = self._path.read_bytes() if self._path.is_file() else b""
        whole, _, torn = content.rpartition(b"\n")
        if torn:
            os.ftruncate(self._file, len(content) - len(torn))
        return [self._record(number, line) for number, line in enumerate(whole.splitlines(), 1) if line]

    def _record(self, number: int, line: bytes) -> Record:
        try:
            return Record(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise LogError(f"line {number} of {self._path} is no line of a centre's log; name another file") from error

    def append(self, records: list[Record]) -> None:
        """Write and sync. When this returns the records outlive a kill and a power cut."""
        if self._file is None:
            raise RuntimeError("the log is not open")
        octets = b"".join(json.dumps(asdict(record), ensure_ascii=False).encode() + b"\n" for record in records)
        before = os.fstat(self._file).st_size
        try:
            while octets:
                octets = octets[os.write(self._file, octets) :]
            os.fsync(self._file)
        except OSError:
            # Half a line must not run into the next one; a device without a length has nothing to cut.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, before)
            raise

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Centre:
    """The centre. `records` holds every line, repeats too; `alarms` only those that are no repeats.

    `heartbeats_at` is when link tests came, by the centre's clock; `heard` is called with each line that was stored:
    people at the centre see it then.
    """

    def __init__(
        self,
        behaviour: Behaviour = Behaviour.ACK,
        *,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.behaviour = behaviour
        self.records: list[Record] = []
        self.heartbeats_at: list[float] = []
        self.heard: Callable[[Record], None] = lambda record: None
        self.ignored_octets = 0
        self.bad: Counter[str] = Counter()
        self.host = ""
        self.port = 0
        self._clock = clock
        self._new_id = new_id
        self._seen = Seen(window_s=REPEAT_WINDOW_S)
        self._log: AlarmLog | None = None
        self._server: asyncio.Server | None = None
        self._place: socket.socket | None = None
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._changed = asyncio.Condition()

    @property
    def heartbeats(self) -> int:
        """How many link tests have come."""
        return len(self.heartbeats_at)

    @property
    def alarms(self) -> list[Record]:
        """Each alarm once, in the order in which they came."""
        return [record for record in self.records if not record.duplicate]

    async def start(self, host: str, port: int, log: Path) -> int:
        """Read the log, listen, and give the port (the one taken, if 0 was asked for)."""
        self._log = AlarmLog(log)
        try:
            self.records = self._log.open()
            for record in self.records:
                self._remember(record)
        except LogError:
            self._log.close()
            raise
        self.host, self.port = host, port
        await self._listen()
        if self.behaviour is Behaviour.REFUSE:
            await self._stop_listening()
        return self.port

    async def stop(self) -> None:
        """Close everything; what was acknowledged is in the log."""
        await self._stop_listening()
        if self._place is not None:
            self._place.close()
            self._place = None
        if self._log is not None:
            self._log.close()

    async def switch(self, behaviour: Behaviour) -> None:
        """Change the behaviour from the next message on."""
        self.behaviour = behaviour
        if behaviour is Behaviour.REFUSE:
            await self._stop_listening()
        elif self._server is None:
            await self._listen()

    async def wait_for(self, alarms: int) -> None:
        """Return once this many alarms, repeats not counted, have been stored. The caller sets the limit in time."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.alarms) >= alarms)

    def _remember(self, record: Record) -> None:
        try:
            key = dedupe_key(decode(bytes.fromhex(record.raw)))
        except (FrameError, ValueError) as error:
            raise LogError(f"the log holds a frame that cannot be read ({error}); name another file") from error
        self._seen.add(key, datetime.fromisoformat(record.at).timestamp())

    async def _listen(self) -> None:
        if self._place is None:
            self._place = _held(self.host, self.port)
            self.port = self._place.getsockname()[1]
        self._server = await asyncio.start_server(self._accepted, self.host, self.port, reuse_address=True)

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        talks = dict(self._talks)
        for task, writer in talks.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._talk(reader, writer))
        self._talks[task] = writer
        task.add_done_callback(lambda done: self._talks.pop(done, None))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        receiver = Receiver(self._seen, self._new_id, peer=f"{peer[0]}:{peer[1]}")
        try:
            while octets := await reader.read(READ_OCTETS):
                if self.behaviour is Behaviour.SILENT:
                    self.ignored_octets += len(octets)
                    continue
                receiver.received(octets)
                writer.write(self._answers(receiver))
                await writer.drain()
                async with self._changed:
                    self._changed.notify_all()
        except ConnectionError:
            self.bad["connection"] += 1
        except OSError as error:
            # The log could not be written: no ACK, and the sender tries again.
            self.bad["not-stored"] += 1
            sys.stderr.write(f"an alarm could not be stored: {error.strerror}\n")
        finally:
            writer.close()

    def _answers(self, receiver: Receiver) -> bytes:
        """The answers to everything that is whole by now, each made after its message was stored."""
        answers = b""
        now = self._clock()
        at = datetime.fromtimestamp(now, UTC)
        while (event := receiver.next_event(now, at)) is not None:
            verdict = self._judge(event, now, at)
            answers += receiver.answer(event, verdict, now, at)
        return answers

    def _judge(self, event: Event, now: float, at: datetime) -> Verdict:
        if isinstance(event, Bad):
            self.bad[event.reason.value] += 1
            return Verdict.SILENT if self.behaviour is Behaviour.MUTE else Verdict.DUH
        if isinstance(event, Heartbeat):
            self.heartbeats_at.append(now)
            return Verdict.SILENT if self.behaviour is Behaviour.MUTE else Verdict.ACK
        if self.behaviour is Behaviour.DUH:
            return Verdict.DUH
        records = [_record(alarm, event, at) for alarm in event.alarms]
        if self._log is None:
            raise RuntimeError("the centre has not been started")
        self._log.append(records)
        self._seen.add(event.key, now)
        self.records += records
        for record in records:
            self.heard(record)
        return Verdict.SILENT if self.behaviour is Behaviour.MUTE else Verdict.ACK


def _held(host: str, port: int) -> socket.socket:
    """The centre's place, kept while it refuses: it never listens, so whoever calls is refused, and no other program is
    given the port meanwhile. Another centre there would be told our alarms, and would acknowledge them.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    place = socket.socket(family, socket.SOCK_STREAM)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(address)
    except OSError:
        place.close()
        raise
    return place


def _record(alarm: Alarm, event: AlarmReceived, at: datetime) -> Record:
    return Record(
        at=at.isoformat(),
        account=alarm.transmitter.id,
        seq=event.frame.seq,
        reference=alarm.correlation.reference,
        category=alarm.category.value,
        duplicate=event.duplicate or alarm.action in _ABOUT_A_KNOWN_ONE,
        text="; ".join(text.value for text in alarm.text),
        raw=event.frame.raw.hex(),
    )


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError("give HOST:PORT, for example 127.0.0.1:10002")
    return host.strip("[]"), int(port)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sim.centre", description="A simulated SIA DC-09 alarm centre.")
    parser.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--log", type=Path, required=True, metavar="FILE", help="JSON lines, one for each alarm")
    parser.add_argument("--behaviour", type=Behaviour, choices=list(Behaviour), default=Behaviour.ACK)
    return parser.parse_args(argv)


async def _obey(centre: Centre) -> None:
    """Switch the behaviour as lines come in. Without a standard input that can be waited for nobody is obeyed."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()
    descriptor = sys.stdin.fileno()
    held = bytearray()

    def readable() -> None:
        octets = os.read(descriptor, READ_OCTETS)
        if not octets:
            loop.remove_reader(descriptor)
        held.extend(octets)
        while (end := held.find(b"\n")) >= 0:
            lines.put_nowait(held[:end].decode("utf-8", "replace").strip())
            del held[: end + 1]

    try:
        loop.add_reader(descriptor, readable)
    except OSError:
        return
    while True:
        word = await lines.get()
        if word in set(Behaviour):
            await centre.switch(Behaviour(word))
            sys.stdout.write(f"behaviour {word}\n")
            sys.stdout.flush()
        elif word:
            sys.stderr.write(f"{word[:40]!r} is no behaviour; known: {', '.join(Behaviour)}\n")


async def _run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    centre = Centre(arguments.behaviour)
    host, port = arguments.listen
    await centre.start(host, port, arguments.log)
    sys.stdout.write(f"listening {host}:{centre.port}\n")
    sys.stdout.flush()
    obeying = asyncio.create_task(_obey(centre))
    try:
        await stop.wait()
    finally:
        obeying.cancel()
        await asyncio.gather(obeying, return_exceptions=True)
        await centre.stop()


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit 0; 2 if the port or the log cannot be used."""
    arguments = _arguments(argv)
    try:
        asyncio.run(_run(arguments))
    except (OSError, LogError) as error:
        sys.stderr.write(f"the centre cannot start: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
