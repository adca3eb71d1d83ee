"""The channel as others see it: who holds it is told to the end, whatever becomes of the modem. On both engines."""

import asyncio

from firmware.core.at_syntax import AtError
from firmware.modem.bg95 import Bg95
from firmware.modem.dialect import TCP
from firmware.modem.driver import Modem
from firmware.modem.sms import SmsPipe

TURNS = 20


class Clock:
    """It stands still: nothing here is due before the modem has said something."""

    def now(self):
        return 0


class Line:
    """A modem that says what it is told to; `written` commands."""

    def __init__(self):
        self.written = []
        self._said = []
        self._more = asyncio.Event()

    def write(self, data):
        self.written.append(data)

    def say(self, data):
        self._said.append(data)
        self._more.set()

    async def read(self):
        while not self._said:
            self._more.clear()
            await self._more.wait()
        return self._said.pop(0)


class Wires:
    async def carry_out(self, what, value):
        pass


async def turns():
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def stop(*tasks):
    for task in tasks:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            continue


async def given_up():
    """A TCP connection that its caller has given up on: (modem, its line, what was told)."""
    line, told = Line(), []
    modem = Modem(Bg95(), line, Wires(), Clock(), told.append)
    opening = asyncio.create_task(modem.open(TCP, "192.0.2.1", 8883))
    await turns()
    assert line.written and told == [("begin", "open_tcp")]
    await stop(opening)
    assert told == [("begin", "open_tcp")], "the modem is still at it"
    return modem, line, told


async def cut():
    modem, _, told = await given_up()
    cutting = asyncio.create_task(modem.do("power_cut", Bg95().power_cut()))
    await turns()
    try:
        assert told == [("begin", "open_tcp"), ("end",), ("begin", "power_cut")]
    finally:
        await stop(cutting)
    await turns()
    assert told[3:] == [("end",)], "and what comes next is told again"


def test_a_power_cut_ends_what_was_given_up():
    asyncio.run(cut())


async def restarted():
    modem, _, told = await given_up()
    modem.interrupt()
    modem._carry_out(modem.engine.feed(b"\r\nRDY\r\n", 0))
    assert told == [("begin", "open_tcp"), ("end",), ("boot",)]
    asking = asyncio.create_task(modem.do("registration", Bg95().registration()))
    await turns()
    try:
        assert told[3:] == [("begin", "registration")]
    finally:
        await stop(asking)


def test_a_modem_that_starts_anew_owes_nothing():
    asyncio.run(restarted())


def test_an_alarm_without_a_message_of_its_own_asks_for_none():
    """One that nobody had written was encoded, which cost the unit a reset in the alarm."""
    gone = []
    pipe = SmsPipe("sms", "+46700000000", Clock(), lambda: gone.append(True), lambda pipe: None)
    pipe.set_up(True)
    pipe.hurry()
    assert not gone
    assert pipe.send(1, b"\x83", True) and len(gone) == 1
    pipe.hurry()
    assert len(gone) == 2
    pipe.gone(True)
    pipe.hurry()
    assert len(gone) == 2


class Starving(Line):
    """Memory fails while something is read, and again while what was read is told."""

    def __init__(self):
        super().__init__()
        self.fails = True

    async def read(self):
        if self.fails:
            self.fails = False
            raise MemoryError
        return await super().read()

    def heard(self, event):
        raise MemoryError


def test_memory_that_fails_costs_what_is_read_and_never_half_an_order():
    """Between what the conduct has decided and what is carried out nothing may go missing: the modem's part would wait
    for the end of an order that never began."""

    async def starve():
        line = Starving()
        modem = Modem(Bg95(), line, Wires(), Clock(), line.heard)
        listening = asyncio.create_task(modem.run())
        await turns()
        assert modem.starved == 1 and not listening.done()
        line.say(b"\r\nRDY\r\n")
        try:
            await asyncio.wait_for(listening, 60)
        except MemoryError:
            return modem.starved
        raise AssertionError("it goes on")

    assert asyncio.run(starve()) == 1


def test_a_procedure_that_fails_is_over():
    """The control: a refusal is told at once."""

    async def refused():
        line, told = Line(), []
        modem = Modem(Bg95(), line, Wires(), Clock(), told.append)
        asking = asyncio.create_task(modem.do("registration", Bg95().registration()))
        await turns()
        modem._carry_out(modem.engine.feed(b"\r\nERROR\r\n", 0))
        try:
            await asking
        except AtError as error:
            assert error.reason == "error"
        else:
            raise AssertionError("it did not fail")
        assert told == [("begin", "registration"), ("end",)]

    asyncio.run(refused())
