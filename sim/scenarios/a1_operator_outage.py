"""A1: an operator is out from 02:00 to 04:40.

Front doors, forwarding and supervision are the product's own, on a PostgreSQL of its own and the world's clock. A crowd
beats on two operators; those that somebody presses are whole units on CPython over a way that is out when their
operator is. Who has no path stands in a truth that the product never reads. How a unit changes its SIM is played with
the times of logged modems; with `--firmware` nothing of it is, and real units find out by themselves (`a1_firmware`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final
from unittest import mock

from fleet.store.pool import make_pool
from fleet.supervision import cohorts, detector, store
from provisioning.ca import CertificateAuthority
from sim.scenarios import truth
from sim.scenarios.a1_firmware import SABOTAGES as IN_FIRMWARE
from sim.scenarios.a1_firmware import FirmwareNight, refused, world_of
from sim.scenarios.a1_judge import Night as Played
from sim.scenarios.a1_judge import Seen, judge
from sim.scenarios.a1_night import Acts, Night
from sim.scenarios.a1_story import PROFILE
from sim.scenarios.crowd import peak_per_s
from sim.scenarios.evidence import gather
from sim.scenarios.fleet_under_test import PRIMARY, SECONDARY
from sim.scenarios.scenario import Check, Options, Scenario

GRAIN_S: Final = 5.0

SABOTAGES: Final = {
    "no-cohorts": "units are judged one by one: what they share is not looked at",
    "no-presumption": "who is on a path that is wholly out and not due yet is not listed",
    "no-priority": "the visit list is in the order of the units' numbers",
    **IN_FIRMWARE,
}


@contextlib.contextmanager
def _applied(sabotage: str | None) -> Iterator[None]:
    if sabotage == "no-cohorts":
        with mock.patch.object(cohorts.Tally, "standing_out", lambda self: []):
            yield
    elif sabotage == "no-priority":
        by_number = store.SQL["visits"].replace("ORDER BY priority, district, reference, unit_id", "ORDER BY unit_id")
        if by_number == store.SQL["visits"]:
            raise RuntimeError("the visit list is ordered in another way now: the sabotage takes nothing out")
        with mock.patch.dict(store.SQL, {"visits": by_number}):
            yield
    elif sabotage == "no-presumption":
        with mock.patch.object(detector.Detector, "_out", lambda self, incident, now_ms: []):
            yield
    else:
        yield


async def _play(night: Night, authority: CertificateAuthority, stack: contextlib.ExitStack) -> Seen:
    fleet, world, options = night.fleet, night.world, night.options
    fleet.profile(*PROFILE)
    await night.gather()
    acts = await night.wearers(authority, stack)
    world.fine = [(at - 5, at + 40) for _, at in night.pressed.values()] + [(night.ends - 2, night.ends + 60)]
    calm = night.begins + max(900.0, 2.0 * night.crowd.interval_s), night.ends - 5
    ends = night.ends + night.numbers["settle_min"] * 60
    fleet.calm = [(0.0, night.begins - 60), calm, (night.ends + night.crowd.interval_s + 60, ends)]
    await _act(night, [act for act in acts if act[0] < night.begins])
    await fleet.forward(night.begins)
    night.begun()
    later = [act for act in acts if act[0] >= night.begins]
    seen, looked = Seen(), night.story.visits_at(night.beats)
    await _act(night, [act for act in later if act[0] <= looked])
    await fleet.forward(looked)
    await _look(night, seen)
    await _act(night, [act for act in later if act[0] > looked])
    options.say(f"{(world.clock.now() - night.begins) / 60:.0f} min: the operator comes back")
    await fleet.forward(ends)
    return seen


async def _act(night: Night, acts: Acts) -> None:
    for at, act in sorted(acts, key=lambda one: one[0]):
        await night.fleet.forward(at)
        act()


async def _look(night: Night, seen: Seen) -> None:
    """The visit list beside the truth."""
    fleet, at = night.fleet, night.world.time.now()
    found = fleet.rows("SELECT incident_id FROM incidents ORDER BY incident_id LIMIT 1")
    with contextlib.closing(truth.Truth(night.truth_file)) as written:
        for unit in sorted(night.without_path()):
            written.note(night.world.clock.now(), unit, "no path")
    if found:
        async with (
            make_pool(fleet.postgres.app_url, "supervise", size=1) as pool,
            pool.connection() as connection,
            connection.transaction(),
        ):
            seen.visits = await store.visits(connection, found[0]["incident_id"], at)


def _gathered(night: Night) -> Played:
    """What is left of the night."""
    night.ended()
    fleet, rate = night.fleet, night.rate()
    logs = {name: fleet.centre_log(name) for name in (PRIMARY, SECONDARY)}
    return Played(
        begins=night.begins, ends=night.ends, hit=night.hit, units=night.people, pressed=night.pressed,
        incidents=fleet.incidents(), told=fleet.told(),
        found=gather(fleet.postgres.owner_url, logs, fleet.telephone_log),
        ages={row["unit_id"]: row["age_s"] for row in fleet.rows("SELECT unit_id, age_s FROM presses")},
        peak=peak_per_s(rate, night.ends, night.world.clock.now()), usual=peak_per_s(rate, 300, night.begins - 1),
        visits_at=night.story.visits_at(night.beats) - night.begins, shown=night.story.shown_after(night.beats),
    )  # fmt: skip


async def run(options: Options) -> list[Check]:
    """Plays the night and judges it."""
    refused(options)
    sabotage = None if options.sabotage in IN_FIRMWARE else options.sabotage
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(world_of(options, GRAIN_S))
        night = (FirmwareNight if options.firmware else Night)(options, world)
        stack.enter_context(_applied(sabotage))
        async with night.fleet.running() as authority:
            began = time.monotonic()
            options.say(f"the fleet is up; {night.hit} of {options.units} units will be hit")
            with contextlib.ExitStack() as units:
                seen = await _play(night, authority, units)
                spent = time.monotonic() - began
                played = _gathered(night)
            await night.fleet.close()
    seen.without_path = {one.unit for one in truth.read(night.truth_file)}
    factor = round(world.clock.now() / spent, 1)
    return [
        *judge(played, seen),
        *night.further_checks(),
        Check("clock factor (simulated s in a real s)", factor, "any", True),
    ]


SCENARIO = Scenario(
    name="A1",
    title="an operator is out from 02:00 to 04:40",
    units=3000,
    run=run,
    sabotages=SABOTAGES,
    numbers={
        "minutes": 160,
        "part": 1.0,
        "by_issuer": 0,
        "dual": 0.8,
        "others": 0.5,
        "heartbeat_s": 300,
        "loss": 0.01,
        "masts": 0,
        "settle_min": 40,
    },
    bounds={
        "minutes": (10, 1440),
        "part": (0.01, 1),
        "by_issuer": (0, 1),
        "dual": (0, 1),
        "others": (0, 10),
        "heartbeat_s": (60, 300),
        "loss": (0, 0.2),
        "masts": (0, 1),
        "settle_min": (10, 240),
    },
    least=40,
    firmware=True,
    firmware_units=300,
)
