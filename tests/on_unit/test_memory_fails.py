"""Memory that fails once, at every line of the unit's cores in turn, while a press is established: what becomes of it.

The real driver, brain and journal on a flash in memory, run by CPython, whose tracer raises MemoryError at one line.
What the unit's reset costs is seen by starting it anew on the same flash.
"""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from cut_flash import CutFlash

from firmware.core import profiles, records
from firmware.core.alarm import Alarms
from firmware.core.drill import EVERY_S
from firmware.core.heartbeat import Heartbeat
from firmware.core.pendants import PRESS, Pendants, frame
from firmware.core.setup import Means
from firmware.core.unit import Unit
from firmware.driver import MOST_STARVED, Driver
from firmware.owed import Owed
from firmware.ports.breadcrumbs import Crumbs
from firmware.ports.journal import Journal
from firmware.ports.kept import Kept
from protocols.wire import messages

CORE = str(Path(sys.modules["firmware.core.unit"].__file__ or "").parent)
PENDANT, KEY = 3, bytes(16)
WINDOW_MS = 10000


class Reset(BaseException):
    """The board starts anew."""


class Line:
    """Raises MemoryError at the `at`th line of the cores that is run while it is entered, once; 0 for never."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.seen = 0

    def _trace(self, place: FrameType, what: str, _: object) -> "Callable[..., Any] | None":
        if not place.f_code.co_filename.startswith(CORE):
            return None
        if what == "line":
            self.seen += 1
            if self.seen == self.at:
                raise MemoryError
        return self._trace

    def __enter__(self) -> "Line":
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)


class Supervisor:
    """Ends the unit as the board's own does."""

    def __init__(self, crumbs: Crumbs) -> None:
        self.crumbs = crumbs

    def turn(self, *_: object) -> None:
        return None

    def receipt(self) -> None:
        return None

    def next_wakeup(self) -> int:
        return 1 << 40

    def crashed(self, error: BaseException) -> None:
        raise Reset from error


class Ballast:
    """There is room until memory fails; what was set aside can go once, or is `gone`."""

    def __init__(self, gone: bool) -> None:
        self.gone = gone

    def room(self) -> None:
        return None

    restore = room

    def release(self) -> bool:
        self.gone, before = True, self.gone
        return not before


class Contacts:
    """The button, or the further contacts: edges that wait."""

    def __init__(self) -> None:
        self.edges: list[tuple[Any, ...]] = []

    def pending(self) -> bool:
        return bool(self.edges)

    def drain(self, handler: Callable[..., None]) -> None:
        while self.edges:
            handler(*self.edges.pop(0))

    def battery(self) -> None:
        return None

    battery_mv = battery


class Pipe:
    """A way to the fleet that takes everything."""

    name = "coap"
    bearer = 1
    up = True

    def send(self, *_: object) -> bool:
        return True

    def timeout(self, _: int) -> None:
        return None

    next_wakeup = timeout


class Rig:
    """One boot of a unit on this flash."""

    def __init__(self, flash: CutFlash, boot: int, config: dict[int, Any], gone: bool) -> None:
        self.now = 1000
        self.sent: list[messages.Alarm] = []
        self.pipe = Pipe()
        self.button, self.sensors = Contacts(), Contacts()
        setup = profiles.read(config)
        journal, kept = Journal(flash), Kept(flash)
        entries = journal.load()
        journal.arm(boot)
        pendants = None
        if setup.pendants:
            pendants = Pendants(setup.pendants, lambda data: hashlib.sha256(data).digest(), kept.load("pendants"), 0)
        means = Means(lambda n: 0, lambda: ({}, {}), lambda: 0, lambda pipe: 1, lambda key: False)
        heartbeat = Heartbeat(setup.heartbeat, lambda n: n - 1, 1000)
        known = {"drill": EVERY_S}
        self.unit = Unit(boot, ("coap",), setup, means, heartbeat, 0, entries, journal.items, known, pendants)
        clock = SimpleNamespace(now=lambda: self.now, at=lambda ticks: ticks)
        self.driver = Driver(
            self.unit, journal, kept, SimpleNamespace(seal=self._seal), clock, Supervisor(Crumbs(flash)),
            Ballast(gone), Owed(setup.inputs), self.button, SimpleNamespace(sounds=0, show=lambda bits: None),
            {"coap": self.pipe},
        )  # fmt: skip
        self.driver.sensors = self.sensors
        self.driver.feed(("pipe", "coap", True))
        self.driver._carry_out(self.unit.start(self.now))

    def _seal(self, plain: bytes) -> bytes:
        message = messages.decode(plain)
        if isinstance(message, messages.Alarm):
            self.sent.append(message)
        return plain

    def run(self, script: list[tuple[int, Callable[["Rig"], None]]], until: int) -> None:
        """Let time pass as the main loop and the tasks do."""
        script = list(script)
        while self.now <= until:
            while script and script[0][0] <= self.now:
                script.pop(0)[1](self)
            try:
                self.sensors.drain(self.driver.on_edge)
                idle = self.driver._turn()
            except MemoryError as error:
                # As `Driver.run` does it.
                self.driver._relieve(error)
                idle = 0
            self.now = min(self.now + max(idle, 1), script[0][0] if script else until + 1)

    def answer(self) -> None:
        """The fleet has taken all that was sent."""
        items = sorted({(one.boot, one.seq, 3) for one in self.sent})
        self.driver.feed(("receipt", items, None, "coap"))


def own(closed: bool) -> Callable[[Rig], None]:
    return lambda rig: rig.button.edges.append((closed, rig.now))


def sensor(code: int, closed: bool) -> Callable[[Rig], None]:
    return lambda rig: rig.sensors.edges.append((code, closed, rig.now))


PRESSED = frame(lambda data: hashlib.sha256(data).digest(), KEY, 7, 1, PRESS, 90)


def heard(rig: Rig) -> None:
    rig.driver.on_pendant(PRESSED)


PERSONAL = {1: profiles.PERSONAL}
CASES: dict[str, tuple[dict[int, Any], list[tuple[int, Callable[[Rig], None]]], int, int, int]] = {
    # Configuration, what happens, until when memory may fail, kind and input of the press.
    "own": (PERSONAL, [(1000, own(True)), (1900, own(False))], 1600, messages.KIND_MANUAL, 0),
    "duress": (
        PERSONAL,
        [(1000, sensor(profiles.DURESS, True)), (1900, sensor(profiles.DURESS, False))],
        1100,
        messages.KIND_DURESS,
        0,
    ),
    "man down": (
        PERSONAL,
        [(1000, sensor(profiles.MAN_DOWN, True)), (1900, sensor(profiles.MAN_DOWN, False))],
        1100 + WINDOW_MS,
        messages.KIND_MAN_DOWN,
        0,
    ),
    "pendant": (
        {1: profiles.SOCIAL, 6: [[PENDANT, 7, KEY, 3600]]},
        [(1000, heard)],
        1100,
        messages.KIND_MANUAL,
        PENDANT,
    ),
}


def press(
    name: str, at: int, gone: bool, last_words: bool = True, repeated: bool = False
) -> tuple[int, int, list[tuple[int, int]]]:
    """Lines run, resets, and the presses that the fleet has heard of by their keys, when memory fails at this line."""
    config, script, until, kind, code = CASES[name]
    flash = CutFlash({}, 1 << 30)
    rig = Rig(flash, 5, config, gone)
    if not last_words:
        rig.driver._over = True
    resets = 0
    with Line(at) as line:
        try:
            rig.run(script, until)
        except Reset:
            resets = 1
    sent = list(rig.sent)
    if resets:
        rig = Rig(flash, 6, config, False)
        # A pendant repeats its frame for several seconds; nobody repeats what a contact did.
        script = [(1000, heard)] if repeated else []
    else:
        script = [one for one in script if one[0] > until]
    end = rig.now + 2 * WINDOW_MS
    rig.run(script, end)
    sent += rig.sent
    rig.answer()
    rig.run([], end + 1000)
    assert rig.unit._alarms.open == [] and not rig.unit.urgent(), (name, at)
    assert all((one.kind, one.input) == (kind, code) for one in sent), (name, at)
    # And nothing of it is left for a boot after this one.
    assert Rig(flash, 7, config, False).sent == [], (name, at)
    return line.seen, resets, sorted({(one.boot, one.seq) for one in sent})


def every(name: str, step: int) -> tuple[int, int]:
    """Memory fails at every `step`th line, with and without a ballast. Lines tried, and resets."""
    lines = press(name, 0, False)[0]
    tried = resets = 0
    for gone in (False, True):
        for at in range(1 + gone, lines + 1, step):
            _, reset, keys = press(name, at, gone)
            if name == "pendant" and gone and not keys:
                # It failed before the frame was believed, with nothing left to try it again with: heard again it is.
                keys = press(name, at, gone, repeated=True)[2]
            assert len(keys) == 1, (name, at, gone, keys)
            tried += 1
            resets += reset
    return tried, resets


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_press_is_sent_once_wherever_memory_fails(name: str) -> None:
    lines, resets, keys = press(name, 0, False)
    assert lines > 100 and not resets and len(keys) == 1, "memory that does not fail"
    tried, resets = every(name, max(1, lines // 60))
    assert tried > 60 and resets > tried // 3


def test_a_pendants_press_that_was_written_as_a_last_word_is_another_one_when_it_is_heard_again() -> None:
    lines = press("pendant", 0, False)[0]
    known = [len(press("pendant", at, False, repeated=True)[2]) for at in range(1, lines, 5)]
    assert set(known) == {1, 2}, "never none; its counter is kept with an ordinary press only"


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(CASES))
def test_a_press_is_sent_once_wherever_memory_fails_at_every_line(name: str) -> None:
    # A window of 10 s is some 20,000 lines of waiting.
    tried, resets = every(name, 1 + press(name, 0, False)[0] // 4000)
    print(f"{name}: {tried} lines, {resets} resets, each press sent once")


@pytest.mark.parametrize("name", sorted(CASES))
def test_negative_control_without_last_words_presses_are_lost(name: str) -> None:
    lines = press(name, 0, False)[0]
    assert any(not press(name, at, False, last_words=False)[2] for at in range(1, lines, 10))


def rested(at: int, gone: bool = False) -> tuple[int, int]:
    """Lines run, and presses sent, when memory fails once while a unit reports, and its button is pressed later."""
    flash = CutFlash({}, 1 << 30)
    rig = Rig(flash, 5, PERSONAL, gone)
    with Line(at) as line:
        rig.run([], 20000)
    start = rig.now
    rig.run([(start, own(True)), (start + 900, own(False))], start + WINDOW_MS)
    rig.answer()
    rig.run([], rig.now + 1000)
    assert rig.unit._alarms.open == [] and not rig.unit.urgent(), at
    return line.seen, len({(one.boot, one.seq) for one in rig.sent})


def test_a_heartbeat_that_memory_fails_for_costs_no_reset_and_no_press_after_it() -> None:
    lines = rested(0)[0]
    assert lines > 400, "the first heartbeat and its repetitions"
    for at in range(1, lines + 1, max(1, lines // 80)):
        assert rested(at)[1] == 1, at


def test_what_no_pipe_takes_is_tried_again_one_after_the_other() -> None:
    """Each within the one before takes memory for as many presses as wait: a unit that started with them all reset
    itself for ever."""
    flash = CutFlash({}, 1 << 30)
    journal = Journal(flash)
    journal.load()
    for seq in range(1, 17):
        journal.append(records.press(4, seq, messages.KIND_MANUAL, 0, 1, 0))
    rig = Rig(flash, 5, PERSONAL, False)
    depth = deepest = 0
    carry_out = rig.driver._carry_out

    def carried(actions: list[tuple[Any, ...]]) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        carry_out(actions)
        depth -= 1

    rig.driver._carry_out = carried  # type: ignore[method-assign]
    rig.pipe.send = lambda *_: False  # type: ignore[method-assign]
    rig.run([], 20000)
    assert deepest == 1 and rig.sent
    rig.sent.clear()
    rig.pipe.send = lambda *_: True  # type: ignore[method-assign]
    rig.run([], 120000)
    assert {one.seq for one in rig.sent} == set(range(1, 17))


@pytest.mark.parametrize("gone", [False, True])
def test_memory_that_fails_for_an_alarms_message_costs_one_attempt_and_no_reset(
    gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has changed by it, in the brain or outside."""
    rig = Rig(CutFlash({}, 1 << 30), 5, PERSONAL, gone)
    left = MOST_STARVED - 1
    build = Alarms.message

    def starved(*words: Any) -> messages.Alarm:
        nonlocal left
        left -= 1
        if left >= 0:
            raise MemoryError
        return build(*words)

    monkeypatch.setattr(Alarms, "message", starved)
    rig.run([(1000, own(True)), (1900, own(False))], 30000)
    assert left < 0 and rig.sent and {one.count for one in rig.sent} == {1}
    left = 3 * MOST_STARVED
    with pytest.raises(Reset):
        rig.run([], rig.now + 120000)


def test_memory_that_fails_again_and_again_costs_a_reset_without_a_press_too() -> None:
    rig = Rig(CutFlash({}, 1 << 30), 5, PERSONAL, False)

    def starved(event: tuple[Any, ...], now: int) -> None:
        raise MemoryError

    rig.unit.handle = starved  # type: ignore[method-assign, assignment]
    for _ in range(MOST_STARVED - 1):
        rig.driver.feed(("wake",))
    with pytest.raises(Reset):
        rig.driver.feed(("wake",))
