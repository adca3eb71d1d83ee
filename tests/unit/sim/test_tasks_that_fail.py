"""A task of its own that hangs or crashes, one kind after the other, in a real unit with an emulated modem where it has
one: the unit resets, says which task it was, and at the third time goes on without what it does not need for an alarm.
Its other inputs it gives up last, at the third time in safe mode.
"""

import asyncio
import contextlib

import pytest
from test_safe_mode import spoilt

from firmware.core import events, profiles, reboot
from firmware.ports.kept import pack
from protocols.wire import messages
from sim import units
from sim.cellular import CellularUnits, configured
from sim.firmware_build import build_firmware
from sim.modem.scenario import load

CALM = load("calm")
HANG = "        await asyncio.Event().wait()\n"
LIMIT_MS = 1500
MARK = "        return self._watchdog.task(name)\n"
SENSORS = '    async def run(self) -> None:\n        """Tell what changes, for ever."""\n'
PENDANTS = '    async def run(self) -> None:\n        """Listen for ever; a radio that stops is started again."""\n'
MQTT = '    async def run(self) -> None:\n        """Connect and serve for ever."""\n'
WORK = "            name, argument = self._order\n"
HANGS = {
    "sensors": ("firmware/ports/sensors.py", SENSORS, SENSORS + HANG, {}),
    "pendants": (
        "firmware/ports/ble.py",
        PENDANTS,
        PENDANTS + HANG,
        {"pendants": [(3, 7001, bytes(range(16)), 3600)]},
    ),
    "mqtt": ("firmware/ports/mqtt.py", MQTT, MQTT + HANG, {"pipes": ("mqtt", "coap")}),
    # In the middle of a chore; an order that leads to the network would leave no way for the alarm.
    "modem": (
        "firmware/modem/bearer.py",
        WORK,
        WORK + "            if name == 'survey':\n                await asyncio.Event().wait()\n",
        {"modem": configured(CALM)},
    ),
}


@pytest.fixture
def on_spoilt_street(on_street, build, monkeypatch):
    """Runs a scenario with a firmware in which lines are others, and a modem on unit 1's line."""

    def run(scenario, changes, crashes=0, **settings):
        made = build_firmware(build, instead=spoilt(changes))
        monkeypatch.setattr(units, "build_firmware", lambda _: made)

        async def with_modem(street):
            modems = CellularUnits({1: CALM})
            modems.open()
            street.fleet.on_levels = modems.levels
            street.modem = modems
            street.ended = []
            street.fleet.on_exit = lambda unit, status: street.ended.append(status)
            await street.coap()
            (street.folders[1] / "crashes").write_bytes(pack({1: crashes}))
            try:
                await street.fleet.start(street.folders, modems.environment)
                await scenario(street)
                await street.fleet.kill(1)
            finally:
                modems.close()

        on_street(with_modem, **settings)

    return run


def faults(far):
    return [
        one.data
        for _, one in far.received
        if isinstance(one, messages.Event) and one.kind == messages.EVENT_FAULT and one.data
    ]


async def booted(street, number):
    """Until the unit's so-manyth start; a file has no other signal."""
    for _ in range(4500):
        if f"boot {number} " in street.console():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(street.console())


async def told_and_delivered(street, code, text, reason, crashes=3):
    far, fleet = street.far, street.fleet
    await booted(street, 4)
    await fleet.wait_present(1)
    # Right after three resets the governor lets a modem rest; an alarm passes it.
    await fleet.press(1)
    await fleet.wait_lamp(1, "stored", 60)
    assert {one.boot for one in far.alarms(1)} == {4}, street.console()
    await far.until(lambda: any(one.status for one in far.heartbeats(1) if one.boot == 4), 60)
    status = next(one.status for one in far.heartbeats(1) if one.boot == 4 and one.status)
    assert status[messages.STATUS_REBOOT] == reason
    await far.until(lambda: any(one[1] == code and one[2] == crashes for one in faults(far)), 60)
    assert any(one[3].startswith(text) for one in faults(far) if one[1] == code), faults(far)
    assert street.ended == [units.EXIT_RESET] * 3


@pytest.mark.parametrize("task", sorted(HANGS))
def test_a_task_that_hangs_resets_the_unit_which_says_so_and_ends_in_safe_mode(on_spoilt_street, task):
    name, right, wrong, settings = HANGS[task]
    # Where an input is what hangs, in safe mode already.
    before = 3 if task in ("sensors", "pendants") else 0

    async def scenario(street):
        text = "task over its limit: " + task
        await told_and_delivered(street, events.FAULT_TASK, text, reboot.SOFTWARE_WATCHDOG, before + 3)

    # The boot that alarms keeps the task's own limit: this machine may be busy for some seconds.
    short = MARK.replace("(name)", f"(name, {LIMIT_MS} if name == {task!r} and self.safe <= {before > 0} else None)")
    on_spoilt_street(scenario, {name: [(right, wrong)], "firmware/supervisor.py": [(MARK, short)]}, before, **settings)


def test_a_modem_task_that_crashes_again_and_again_leaves_a_unit_that_alarms(on_spoilt_street):
    async def scenario(street):
        await told_and_delivered(street, events.FAULT_CRASH, "unhandled error: IndexError", reboot.KERNEL_PANIC)
        assert not street.modem.rigs[1].device.commands["+CMGL"], "the card is not read in safe mode"

    line = '        """What Dialect.survey has found."""\n'
    on_spoilt_street(
        scenario,
        {"firmware/modem/facts.py": [(line, line + "        raise IndexError\n")]},
        modem=configured(CALM),
        profile=profiles.SOCIAL,
    )


def test_negative_control_with_all_its_chores_it_never_comes_to_rest(on_spoilt_street):
    async def scenario(street):
        await booted(street, 4)
        while "boot 5 " not in street.console():
            await street.fleet.wait_present(1)
            # It may fall again while the finger is on it; then the press has done its work, or comes once more.
            with contextlib.suppress(units.UnitError):
                await street.fleet.press(1)
            await asyncio.sleep(0.2)
        assert set(street.ended) == {units.EXIT_RESET}

    line = '        """What Dialect.survey has found."""\n'
    on_spoilt_street(
        scenario,
        {
            "firmware/modem/facts.py": [(line, line + "        raise IndexError\n")],
            "firmware/modem/chores.py": [("        if self._safe:\n            return plans\n", "")],
        },
        modem=configured(CALM),
    )
