"""A firmware that keeps failing in one of its tasks: real units, really reset, still deliver a press in safe mode."""

import asyncio

import pytest
from test_hub import INPUT, KEY, PENDANT, advertised

from firmware.core import reboot
from firmware.core.pendants import PRESS
from firmware.ports.kept import pack, unpack
from protocols.wire import messages
from sim import units
from sim.firmware_build import ROOT, build_firmware

RUN = "    async def run(self) -> None:\n"
"""The task of the MQTT pipe, which safe mode does without."""


def spoilt(changes):
    """Texts in which lines of the firmware are others: {file: [(right, wrong)]}."""
    made = {}
    for name, lines in changes.items():
        source = (ROOT / name).read_text()
        for right, wrong in lines:
            assert source.count(right) == 1, (name, right)
            source = source.replace(right, wrong)
        made[name] = source
    return made


@pytest.fixture
def on_spoilt_street(on_street, build, monkeypatch):
    def run(scenario, changes):
        made = build_firmware(build, instead=spoilt(changes))
        monkeypatch.setattr(units, "build_firmware", lambda _: made)
        on_street(scenario, pipes=("mqtt", "coap"))

    return run


async def delivered_in_safe_mode(street, reason):
    """After three boots that failed, the fourth sends a press and tells why it started."""
    far, fleet = street.far, street.fleet
    ended = []
    fleet.on_exit = lambda unit, status: ended.append(status)
    await street.coap()
    await fleet.start(street.folders)
    # The other pipe of a boot that fails may be quick enough for a status of its own.
    await far.until(lambda: any(one.status and one.boot == 4 for one in far.heartbeats(1)), 60)
    first = next(one for one in far.heartbeats(1) if one.status and one.boot == 4)
    assert first.status[messages.STATUS_REBOOT] == reason, street.console()
    await fleet.press(1)
    await fleet.wait_lamp(1, "stored", 60)
    alarm = far.alarms(1)[0]
    assert alarm.boot == 4 and alarm.attempt == 1
    kept = unpack((street.folders[1] / "crashes").read_bytes())
    assert len(ended) == 3
    assert kept[1] == 3, "one receipt does not end safe mode"


def test_a_task_that_crashes_at_every_boot_ends_in_safe_mode_and_the_press_is_delivered(on_spoilt_street):
    async def scenario(street):
        await delivered_in_safe_mode(street, reboot.KERNEL_PANIC)

    on_spoilt_street(scenario, {"firmware/ports/mqtt.py": [(RUN, RUN + "        raise RuntimeError\n")]})


def test_a_task_that_blocks_everything_is_bitten_three_times_and_then_the_press_is_delivered(on_spoilt_street):
    async def scenario(street):
        await delivered_in_safe_mode(street, reboot.HARDWARE_WATCHDOG)

    on_spoilt_street(
        scenario,
        {
            "firmware/ports/mqtt.py": [(RUN, RUN + "        while True:\n            pass\n")],
            # Safe mode keeps its two minutes: this machine may be busy for a second or two.
            "firmware/making.py": [("Watchdog()", "Watchdog(safe)")],
            "firmware/ports/watchdog.py": [
                ("FEED_MS = TIMEOUT_MS // 3", "FEED_MS = 500"),
                ("    def __init__(self) -> None:\n", "    def __init__(self, safe) -> None:\n"),
                ("timeout=TIMEOUT_MS)", "timeout=TIMEOUT_MS if safe else 1500)"),
            ],
        },
    )


def test_a_press_that_makes_the_firmware_fail_again_and_again_is_delivered_in_safe_mode(on_spoilt_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        far.stage_of_alarms = None
        ended = []

        def on_exit(unit, status):
            ended.append(status)
            if len(ended) == 3:
                far.stage_of_alarms = messages.STORED

        fleet.on_exit = on_exit
        await street.coap()
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        alarm = far.alarms(1)[-1]
        assert len(ended) == 3 and alarm.boot == 1 and alarm.flags & messages.ALARM_AGE_IS_LOWER_BOUND

    fault = "        while not self._urgent():\n            await asyncio.sleep_ms(10)\n        raise RuntimeError\n"
    on_spoilt_street(scenario, {"firmware/ports/mqtt.py": [(RUN, RUN + fault)]})


@pytest.mark.parametrize("crashes", [3, 6])
def test_a_hub_in_safe_mode_hears_its_pendants_until_it_has_failed_in_it_as_often(on_street, crashes):
    """Its first address is dead as well. At six crashes in a row, the control, only its own button is left."""

    async def scenario(street):
        far, fleet = street.far, street.fleet
        (street.folders[1] / "crashes").write_bytes(pack({1: crashes}))
        await street.coap(1)
        await fleet.start(street.folders)
        # A hub that reports has its radio on; a pendant would repeat its frame until then.
        await far.until(lambda: far.heartbeats(1), 60)
        await fleet.pendant(1, advertised(1, PRESS))
        if crashes == 3:
            await fleet.wait_lamp(1, "stored", 60)
        else:
            await fleet.press(1)
            await fleet.wait_lamp(1, "stored", 60)
        assert {one.input for one in far.alarms(1)} == {INPUT if crashes == 3 else 0}, street.console()

    on_street(scenario, coap_ports=2, pendants=[(INPUT, PENDANT, KEY, 3600)])


def test_negative_control_without_safe_mode_it_never_stays_up(on_spoilt_street):
    async def scenario(street):
        ended = []
        news = asyncio.Event()

        def on_exit(unit, status):
            ended.append(status)
            news.set()

        street.fleet.on_exit = on_exit
        await street.coap()
        await street.fleet.start(street.folders)
        async with asyncio.timeout(60):
            while len(ended) < 6:
                await news.wait()
                news.clear()
        assert set(ended) == {units.EXIT_RESET}

    on_spoilt_street(
        scenario,
        {
            "firmware/ports/mqtt.py": [(RUN, RUN + "        raise RuntimeError\n")],
            "firmware/boot.py": [("MOST = 3", "MOST = 1000")],
        },
    )
