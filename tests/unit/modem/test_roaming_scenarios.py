"""The firmware's modem where its own network is away and a guest's is there: the policy says who may use it, and an
alarm always may. On the emulator's clock; nothing here waits."""

from __future__ import annotations

import dataclasses

import pytest
from conduct_bench import Bench

from firmware.core.sim_choice import Policy
from firmware.modem import orders
from protocols.wire import messages
from sim.modem.radio import HOME, ROAMING
from sim.modem.scenario import Card, Network, Operator, Scenario, Timing

DIALECTS = ("bg95", "sim7080g", "gm02s")
NO_GUEST = Policy(roaming=0)
HOUR = 3600
PROMISE_MS = 20000
"""An alarm on another SIM within this time; over a guest's network it needs no other SIM."""


def world(dialect: str, own: bool = True, cards: int = 1) -> Scenario:
    """A card that Own carries, and Guest where Own is down; the second card is at home with Other."""
    return dataclasses.replace(
        Scenario(),
        dialect=dialect,
        timing=Timing(),
        networks=(
            Network("own", up=own),
            Network("guest", tac=0x1111, cell=0x22222222),
            Network("other", cell=0x333333),
        ),
        operators=(
            Operator("Own", "24001", ("own",)),
            Operator("Guest", "24008", ("guest",)),
            Operator("Other", "24005", ("other",)),
        ),
        cards=(
            Card("8946001201234567890", "240016123456789", "Own", roams=("Guest",)),
            Card("8946050098765432109", "240059876543210", "Other"),
        )[:cards],
    )


def stored_after(bench: Bench) -> int:
    pressed = bench.press()
    bench.until(lambda: bench.stored_at is not None, 300)
    assert bench.stored_at is not None
    return bench.stored_at - pressed


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_guests_network_carries_no_heartbeat_where_the_policy_says_so_and_an_alarm_always(dialect: str) -> None:
    bench = Bench(world(dialect, own=False), policy=NO_GUEST)
    bench.run(HOUR)
    assert bench.device.serving.stat == ROAMING, "the modem stands there, and listens"
    assert not bench.conduct.up
    assert bench.count("pdp_up") == 0, "no context is opened, no octet goes"
    assert bench.count("power_cut") == 0, "and nobody takes the modem for broken"
    assert bench.count("search", "cycle") <= 12
    assert stored_after(bench) <= PROMISE_MS
    bench.feed(("alarm", False))
    bench.run(orders.GUEST_MS / 1000 + 30)
    assert not bench.conduct.up
    assert bench.count("pdp_down") >= 1
    bench.radio.set_network("own", True)
    bench.until(lambda: bench.conduct.up, HOUR)
    assert bench.device.serving.stat == HOME


def test_a_unit_that_is_told_nothing_roams() -> None:
    """The control: what keeps the unit away is the policy."""
    bench = Bench(world("bg95", own=False))
    bench.until(lambda: bench.conduct.up, 120)
    assert bench.device.serving.stat == ROAMING


def test_the_other_sim_that_is_at_home_is_used_instead() -> None:
    bench = Bench(world("sim7080g", cards=2), slots=2, policy=NO_GUEST).up()
    bench.radio.set_network("own", False)
    bench.until(lambda: bench.conduct.up and bench.conduct.slot == 1, 600)
    changed = [event[2] for event in bench.told if event[:2] == ("report", messages.EVENT_SIM_CHANGED)]
    assert changed[-1][1] == 1
    bench.run(HOUR)
    assert bench.conduct.slot == 1, "it does not run after a SIM that is a guest"
    assert stored_after(bench) <= PROMISE_MS


def test_an_alarm_takes_the_guests_network_when_the_other_sim_brings_nothing() -> None:
    bench = Bench(world("sim7080g", cards=2), slots=2, policy=NO_GUEST).up()
    bench.radio.set_network("own", False)
    bench.until(lambda: bench.conduct.up and bench.conduct.slot == 1, 600)
    bench.run(60)
    bench.silent = {1}
    assert stored_after(bench) <= PROMISE_MS + orders.PDP_SPARE_MS
    assert bench.conduct.slot == 0
