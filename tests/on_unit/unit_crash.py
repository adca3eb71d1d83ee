"""An error that nobody handles, in any task, is counted on flash and answered by a reset."""

import asyncio
import os

import machine

from firmware import boot, main
from firmware.core import reboot
from firmware.modem.bg95 import Bg95
from firmware.modem.driver import Modem
from firmware.ports.clock import Clock
from firmware.ports.flash import Flash


class Failing:
    """A unit whose run, or a task beside it, fails."""

    crumbs = None

    def __init__(self, beside):
        self.beside = beside

    def last_words(self):
        pass

    async def run(self):
        if self.beside:
            asyncio.create_task(self.fail())  # noqa: RUF006 - MicroPython keeps its tasks
            while True:
                await asyncio.sleep(3600)
        await self.fail()

    async def fail(self):
        await asyncio.sleep_ms(1)
        raise RuntimeError("on purpose")


def test_every_failure_ends_in_a_reset_and_three_in_safe_mode():
    os.chdir(os.getenv("TEST_FLASH"))
    flash = Flash()
    boot.proven(flash)
    assert not boot.safe(flash)
    for count, beside in enumerate((False, True, True)):
        # A fresh loop, as after a reset.
        asyncio.new_event_loop()
        main.build = lambda flash, spread, beside=beside: Failing(beside)
        try:
            main.run(0)
        except SystemExit as ended:
            code = ended.args[0]
        assert code == machine.EXIT_RESET
        assert boot.crashes(flash) == count + 1
    assert boot.safe(flash)
    boot.proven(flash)
    assert not boot.safe(flash) and boot.crashes(flash) == 0


class Starving(Failing):
    """A unit whose memory fails while its modem's word is told. `words`: how often it had its last."""

    def __init__(self):
        super().__init__(True)
        self.words = 0
        self.said = [b"\r\nRDY\r\n"]

    def last_words(self):
        self.words += 1

    async def fail(self):
        await Modem(Bg95(), self, None, Clock(), self.tell).run()

    async def read(self):
        if not self.said:
            raise RuntimeError("it goes on")
        return self.said.pop()

    def tell(self, event):
        raise MemoryError


def test_memory_that_fails_in_the_modems_part_ends_in_last_words_and_a_reset():
    os.chdir(os.getenv("TEST_FLASH"))
    flash = Flash()
    boot.proven(flash)
    asyncio.new_event_loop()
    unit = Starving()
    main.build = lambda flash, spread: unit
    try:
        main.run(0)
    except SystemExit as ended:
        code = ended.args[0]
    assert code == machine.EXIT_RESET and unit.words == 1
    assert boot.reason(flash, machine) == reboot.OUT_OF_MEMORY
    boot.proven(flash)


def test_a_damaged_count_is_none():
    os.chdir(os.getenv("TEST_FLASH"))
    flash = Flash()
    for content in (b"", b"\xff", b"\x63abc", b"\x20"):
        flash.replace(boot.FILE, content)
        assert boot.crashes(flash) == 0
        boot.crashed(flash)
        assert boot.crashes(flash) == 1
