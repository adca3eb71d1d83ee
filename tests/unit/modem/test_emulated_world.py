"""What the emulator has around the modem: changing cells, sleep, paging, positions, cards and messages."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from modem_bench import SteppedBench

from firmware.core.at import Command
from sim.modem.rig import DIALECTS
from sim.modem.scenario import Calendar, Gnss, Grant, Network, Scenario, ScenarioError, Step, load, parse
from sim.modem.sms import delivered, packed

EACH = pytest.mark.parametrize("dialect", sorted(DIALECTS))
ASLEEP = Grant(active="00000101", tau="00100110", edrx="0010")


def calm(dialect: str, **changes: object) -> Scenario:
    return dataclasses.replace(load("calm"), dialect=dialect, **changes)  # type: ignore[arg-type]


def card(**changes: object) -> tuple[Any, ...]:
    return (dataclasses.replace(load("calm").cards[0], **changes),)  # type: ignore[arg-type]


def ask(bench: SteppedBench, text: str, head: str | None = None) -> Any:
    def procedure() -> Any:
        reply = yield Command(text, 60000, head)
        return reply

    return bench.do(procedure())


@EACH
def test_signal_and_cell_change(dialect: str) -> None:
    steps = (
        Step("signal", at_ms=20000, name="own", rsrp=-119),
        Step("signal", at_ms=30000, name="own", cell=77, tac=5),
    )
    bench = SteppedBench(calm(dialect, steps=steps))
    bench.up()
    bench.do(bench.dialect.pdp_up("a"))
    bench.wait(20)
    assert bench.do(bench.dialect.signal())["rsrp"] == -119
    bench.events.clear()
    bench.wait(10)
    told = [event[1] for event in bench.events if event[0] == "registration"]
    assert [(one.cell, one.area) for one in told] == [(77, 5)]
    assert bench.device.pdp, "another cell of the same network takes nothing away"


@EACH
def test_a_modem_that_wakes_is_registered_and_has_its_path_but_no_socket(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, grant=ASLEEP))
    bench.up()
    bench.do(bench.dialect.pdp_up("a"))
    bench.do(bench.dialect.save_power(7200, 6))
    bench.wait(15)
    assert bench.device.state == "asleep" and bench.device.naps == 1
    awake = bench.device.awake_s
    bench.wait(3600)
    assert bench.device.awake_s == awake
    if bench.device.has_key:
        bench.do(bench.dialect.wake())
    else:
        bench.device.receive(b"AT\r")
        bench.wait(0.5)
    assert bench.device.boots == 1 and bench.device.pdp and bench.device.registered()
    bench.do(bench.dialect.start())
    assert bench.do(bench.dialect.registration()).registered
    # The network has it in its books: it sleeps again without being asked.
    bench.wait(15)
    assert bench.device.naps == 2


def test_a_network_that_went_away_meanwhile_is_not_believed() -> None:
    bench = SteppedBench(calm("bg95", grant=ASLEEP))
    bench.up()
    bench.do(bench.dialect.save_power(7200, 6))
    bench.wait(15)
    bench.radio.set_network("own", False)
    bench.do(bench.dialect.wake())
    bench.do(bench.dialect.start())
    bench.wait(1)
    assert not bench.do(bench.dialect.registration()).registered


@EACH
def test_with_edrx_the_network_waits_for_the_modem_to_listen(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, grant=Grant(edrx="0010", idle_ms=10000)))
    bench.up()
    assert ask(bench, "AT+CEDRXRDP", "+CEDRXRDP").lines == ["+CEDRXRDP: 0"]
    ask(bench, 'AT+CEDRXS=1,4,"0010"')
    assert ask(bench, "AT+CEDRXRDP", "+CEDRXRDP").lines == ['+CEDRXRDP: 4,"0010","0010","0011"']
    came: list[float] = []
    bench.device.path.page(lambda: came.append(bench.clock.now()))
    bench.wait(1)
    assert len(came) == 1, "the connection is still there"
    bench.wait(12)
    asked = bench.clock.now()
    bench.device.path.page(lambda: came.append(bench.clock.now()))
    bench.wait(21)
    assert came[1] % 20.48 < 0.001 or 20.48 - came[1] % 20.48 < 0.001
    assert came[1] - asked > 0.5
    ask(bench, "AT+CEDRXS=0")
    assert not bench.device.edrx


def fix(bench: SteppedBench) -> Any:
    return bench.do(bench.dialect.gnss_fix())


@pytest.mark.parametrize("dialect", ["bg95", "sim7080g"])
def test_a_position_comes_after_a_while(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, gnss=Gnss(first_ms=20000)))
    bench.up()
    bench.do(bench.dialect.gnss_start())
    assert fix(bench) is None
    bench.wait(20)
    assert fix(bench) == {"latitude": 593325800, "longitude": 180649000, "satellites": 7, "dilution": 12}
    bench.device.sees = "nothing"
    assert fix(bench) is None
    bench.device.sees = "stale"
    assert fix(bench) is None, "an old position with an empty flag is none"
    bench.do(bench.dialect.gnss_stop())
    bench.wait(1)
    assert fix(bench) is None and bench.do(bench.dialect.registration()).registered


def test_a_modem_with_one_receiver_has_no_network_while_it_looks_for_satellites() -> None:
    bench = SteppedBench(calm("sim7080g"))
    bench.up()
    bench.do(bench.dialect.pdp_up("a"))
    bench.do(bench.dialect.gnss_start())
    ask(bench, "AT+CFUN=1")
    bench.wait(30)
    assert not bench.device.registered() and not bench.device.pdp


def test_the_third_modem_tells_its_position_by_itself() -> None:
    bench = SteppedBench(calm("gm02s", gnss=Gnss(first_ms=5000)))
    bench.up()
    ask(bench, 'AT+LPGNSSFIXPROG="single"')
    assert not bench.device.registered()
    bench.said = b""
    bench.wait(6)
    assert b'+LPGNSSFIXREADY: 0,"2026-11-21T22:20:31.000000",5,"42.0","59.332580","18.064900"' in bench.said
    assert bench.device.registered()


@EACH
@pytest.mark.parametrize("shape", ["", "plain", "padded", "swapped", "quoted"])
@pytest.mark.parametrize("iccid", ["8946001201234567890", "89460012012345678901"])
def test_every_shape_of_a_cards_number_is_the_same_card(dialect: str, shape: str, iccid: str) -> None:
    bench = SteppedBench(calm(dialect, cards=card(shape=shape, iccid=iccid)))
    bench.up()
    assert bench.do(bench.dialect.identify())["iccid"] == iccid


@EACH
def test_the_modems_firmware_may_be_another_one(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, revision="1951B05SIM7080"))
    bench.up()
    assert bench.do(bench.dialect.identify())["revision"] == "1951B05SIM7080"


@EACH
def test_network_time_goes_on_and_has_a_zone(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, calendar=Calendar(unix=1_800_000_000, zone=-14)))
    bench.up()
    first = bench.do(bench.dialect.network_time())
    bench.wait(3600)
    assert bench.do(bench.dialect.network_time()) - first == pytest.approx(3600, abs=1)
    assert first == pytest.approx(1_800_000_000, abs=5)


@EACH
def test_a_slow_network_takes_its_time(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, networks=(Network("own", register_ms=180_000),)))
    bench.do(bench.dialect.power_on())
    bench.do(bench.dialect.start())
    bench.wait(170)
    assert bench.do(bench.dialect.registration()).stat == 2
    bench.wait(11)
    assert bench.do(bench.dialect.registration()).registered


@EACH
@pytest.mark.parametrize("stat", [0, 4, 8, 90])
def test_other_states_of_registration(dialect: str, stat: int) -> None:
    bench = SteppedBench(calm(dialect, steps=(Step("registration", at_ms=20000, stat=stat, ms=5000),)))
    bench.up()
    bench.wait(20)
    assert bench.do(bench.dialect.registration()).stat == stat
    bench.wait(6)
    assert bench.do(bench.dialect.registration()).registered


@EACH
def test_a_search_of_its_own_accord(dialect: str) -> None:
    bench = SteppedBench(calm(dialect))
    bench.up()
    assert ask(bench, "AT+COPS=0").ok and bench.device.registered()
    assert ask(bench, "AT+COPS?", "+COPS").lines == ['+COPS: 0,2,"24001",7']


@pytest.mark.parametrize(
    ("coding", "payload", "expected"),
    [
        ("8-bit", b"\x83abc", b"\x83abc"), ("7-bit", b"hello", b""), ("concatenated", b"\x83" + bytes(99), b""),
        ("garbage", b"", b""),
    ],
)  # fmt: skip
def test_messages_of_every_kind_are_read_or_thrown_away_and_wake(coding: str, payload: bytes, expected: bytes) -> None:
    steps = (Step("sms", at_ms=20000, payload=payload.hex(), coding=coding, times=8),)
    bench = SteppedBench(calm("bg95", steps=steps))
    bench.up()
    bench.do(bench.dialect.start())
    bench.wait(20)
    places = sorted(event[1] for event in bench.events if event[0] == "sms")
    assert len(places) == (16 if coding == "concatenated" else 8)
    got = [bench.do(bench.dialect.sms_take(place)) for place in places]
    assert set(got) == {expected} and not bench.device.inbox
    assert bench.do(bench.dialect.sms_take(places[0])) is None, "where there is none, nothing wakes"


def test_a_flood_fills_the_card_and_the_rest_is_lost() -> None:
    steps = (Step("sms", at_ms=20000, payload="00", times=50),)
    bench = SteppedBench(calm("bg95", cards=card(places=10), steps=steps))
    bench.up()
    bench.wait(20)
    assert len(bench.device.inbox) == 10 and bench.device.sms_lost == 40


def test_the_network_may_refuse_a_message() -> None:
    bench = SteppedBench(calm("bg95", steps=(Step("sms_refused", at_ms=0, times=1),)))
    bench.up()
    sent: list[tuple[str, bytes]] = []
    bench.device.on_sms = lambda number, payload: sent.append((number, payload))
    assert bench.refusal(bench.dialect.sms_send("+46700000000", b"\x83"))[0] == "cms"
    bench.do(bench.dialect.sms_send("+46700000000", b"\x83"))
    assert sent == [("46700000000", b"\x83")]


def test_a_card_may_have_a_dead_path_of_its_own() -> None:
    scenario = dataclasses.replace(load("sweden"), dialect="bg95", steps=(Step("loss", at_ms=0, slot=0, loss=1.0),))
    bench = SteppedBench(scenario)
    bench.up()
    arrived: list[int] = []
    for slot in (0, 1):
        bench.do(bench.dialect.select_sim(slot))
        bench.wait(1)
        bench.device.path.carry(0.0, lambda slot=slot: arrived.append(slot))  # type: ignore[misc]
        bench.wait(1)
    assert arrived == [1]


def test_steps_come_again() -> None:
    bench = SteppedBench(calm("bg95", steps=(Step("reset", at_ms=20_000, every_ms=3_600_000),)))
    bench.up()
    bench.wait(4 * 3600)
    assert bench.device.boots == 1 + 4


def test_seven_bits_are_packed_as_the_standard_has_it() -> None:
    assert packed(b"hellohello").hex().upper() == "E8329BFD4697D9EC37"
    assert delivered("46701234567", b"\x83")[0].endswith("0183")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[gnss]\nsees = "stars"', "gnss.sees is 'stars'"),
        ('[[steps]]\ndo = "gnss"\nat_ms = 1\nname = "x"', "the name of step gnss is 'x'"),
        ('[[steps]]\ndo = "network"\nat_ms = 1\nname = "x"', "the network of step network is 'x'"),
        ('[[steps]]\ndo = "sms"\nat_ms = 1\ncoding = "x"', "coding is 'x'"),
        ('[[steps]]\ndo = "loss"\nat_ms = 1\nslot = 1', "names slot 1, where there is no card"),
        ('[[steps]]\ndo = "reset"\non = "AT"\nevery_ms = 5', "every_ms needs at_ms"),
        ('[[cards]]\niccid = "1"\nimsi = "1"\noperator = "Own"\nshape = "x"', "shape is 'x'"),
    ],
)  # fmt: skip
def test_a_misspelt_detail_is_refused(text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse(text)
