"""What the unit feels besides its button, through the simulated board's pins and converters."""

import asyncio

from board import PINS
from board_wires import BOARD

from firmware.core import profiles
from firmware.ports import latch, sensors
from firmware.ports.sensors import Sensors
from protocols.wire import messages

for name in sensors.SETTLE_MS:
    sensors.SETTLE_MS[name] = 60


def put(name, level):
    BOARD.edge(PINS[name], level)


def rested():
    """The board as nobody has touched it."""
    for name in ("mains", "charging", "worn", "man_down", "duress", "cancel"):
        put(name, 1)


def edges_of(seen):
    """What takes a contact's edges, into one list with what else is felt."""
    return lambda code, closed, ticks: seen.append(("edge", code, closed, ticks))


def felt(profile, script, ms=150):
    """The events of a unit of this profile while `script(sensors)` runs."""
    rested()
    seen = []
    made = Sensors(profiles.named(profile), seen.append, edges_of(seen))

    async def life():
        task = asyncio.create_task(made.run())
        await script(made)
        await asyncio.sleep_ms(ms)
        task.cancel()

    asyncio.run(life())
    return made, seen


async def nothing(made):
    return None


def test_levels_are_told_as_they_are_and_at_each_change():
    _, seen = felt("social", nothing)
    assert seen == [("charging", False), ("mains", False)]

    async def script(made):
        await asyncio.sleep_ms(150)
        put("mains", 0)
        assert made.flags() == messages.MAINS_LOST
        await asyncio.sleep_ms(150)
        put("charging", 0)
        assert made.flags() == messages.MAINS_LOST | messages.CHARGING

    _, seen = felt("social", script)
    assert seen[2:] == [("mains", True), ("charging", True)]


def test_a_flicker_is_no_loss():
    async def script(made):
        await asyncio.sleep_ms(150)
        for _ in range(5):
            put("mains", 0)
            await asyncio.sleep_ms(20)
            put("mains", 1)
            await asyncio.sleep_ms(20)

    _, seen = felt("social", script)
    assert seen == [("charging", False), ("mains", False)]


def test_worn_and_further_contacts_are_the_personal_profiles():
    async def script(made):
        put("worn", 0)
        put("man_down", 0)
        put("duress", 0)
        await asyncio.sleep_ms(20)
        put("duress", 1)

    made, seen = felt("personal", script)
    edges = [event[:3] for event in seen if event[0] == "edge"]
    assert edges == [
        ("edge", profiles.MAN_DOWN, True),
        ("edge", profiles.DURESS, True),
        ("edge", profiles.DURESS, False),
    ]
    assert ("worn", False) in seen and not [event for event in seen if event[0] == "mains"]
    assert made.flags() == messages.NOT_WORN
    _, seen = felt("social", script)
    assert [event[0] for event in seen] == ["charging", "mains"], "what the profile does not have is absent"


def test_the_contact_that_takes_back_is_passed_on_where_there_is_something_to_press():
    async def script(made):
        put("cancel", 0)
        await asyncio.sleep_ms(20)
        put("cancel", 1)

    for profile in ("personal", "social"):
        _, seen = felt(profile, script)
        edges = [event[1:3] for event in seen if event[0] == "edge"]
        assert edges == [(profiles.CANCEL, True), (profiles.CANCEL, False)], profile
    _, seen = felt("camera", script)
    assert not [event for event in seen if event[0] == "edge"]


def test_its_task_shows_that_it_lives():
    turns = []

    async def script(made):
        made.alive = lambda: turns.append(1)
        put("man_down", 0)

    felt("personal", script)
    assert turns


def test_a_contact_that_is_closed_at_the_start_is_told():
    rested()
    latch.drop()
    put("man_down", 0)
    seen = []
    made = Sensors(profiles.named("personal"), seen.append, edges_of(seen))

    async def life():
        task = asyncio.create_task(made.run())
        await asyncio.sleep_ms(20)
        task.cancel()

    asyncio.run(life())
    assert [event[:3] for event in seen] == [("edge", profiles.MAN_DOWN, True)]


def test_a_contact_that_is_open_again_before_the_task_runs_is_told_too():
    rested()
    put("duress", 0)
    seen = []
    made = Sensors(profiles.named("personal"), seen.append, edges_of(seen))
    put("duress", 1)
    assert made.pending()

    async def life():
        task = asyncio.create_task(made.run())
        await asyncio.sleep_ms(20)
        task.cancel()

    asyncio.run(life())
    assert [event[1:3] for event in seen if event[0] == "edge"] == [
        (profiles.DURESS, True),
        (profiles.DURESS, False),
    ]
    assert not made.pending()


def test_edges_survive_a_busy_loop_and_a_failing_memory():
    async def script(made):
        # No task runs meanwhile: more edges than the ring holds, the last of them closed.
        for _ in range(3 * latch.SHORT):
            put("man_down", 0)
            put("man_down", 1)
        put("man_down", 0)

    made, seen = felt("personal", script)
    edges = [event for event in seen if event[0] == "edge"]
    assert len(edges) == latch.SHORT and edges[-1][2] is True

    rested()
    kept = []
    failures = [2]

    def short_of_memory(code, closed, ticks):
        if failures[0]:
            failures[0] -= 1
            raise MemoryError
        kept.append(("edge", code, closed, ticks))

    made = Sensors(profiles.named("personal"), kept.append, short_of_memory)

    async def life():
        task = asyncio.create_task(made.run())
        await asyncio.sleep_ms(10)
        put("duress", 0)
        await asyncio.sleep_ms(400)
        task.cancel()

    asyncio.run(life())
    assert made.starved == 2
    assert [event[:3] for event in kept if event[0] == "edge"] == [("edge", profiles.DURESS, True)], (
        "told once, not lost"
    )


def test_voltages_and_temperature():
    made = Sensors(profiles.named("social"), lambda event: None, None)
    BOARD.raw[0] = 65535 * 1950 // 3300
    assert abs(made.battery_mv() - 3900) <= 2 and abs(made.supply_mv() - 5000) <= 2
    assert made.battery() == 65
    for raw in (0, 65535):
        BOARD.raw[0] = raw
        assert made.battery() == (100 if raw else 0)
    BOARD.raw[31] = 273 - 20
    assert made.temperature() == -20


def test_one_dip_of_the_battery_does_not_count():
    made = Sensors(profiles.named("social"), lambda event: None, None)

    class Dipping:
        def __init__(self):
            self.read = 0

        def read_uv(self):
            self.read += 1
            return 1500000 if self.read % 3 == 0 else 1950000

    made._adcs["battery"] = Dipping()
    assert made.battery_mv() == 3900


def test_a_board_without_them_has_none():
    pins, adcs = sensors.PINS, sensors.ADCS
    sensors.PINS, sensors.ADCS = {"button": 0}, {}
    try:
        made = Sensors(profiles.named("personal"), lambda event: None, None)
        assert made.flags() == 0 and made.battery() is None and made.supply_mv() is None
    finally:
        sensors.PINS, sensors.ADCS = pins, adcs
