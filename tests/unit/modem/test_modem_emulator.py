"""The emulated modem and its networks, as the firmware's own engine sees them."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import socket

import pytest
from modem_bench import LiveBench, SteppedBench

from firmware.core.at_syntax import AtError
from firmware.modem.dialect import TCP
from sim.modem.radio import Radio
from sim.modem.rig import DIALECTS
from sim.modem.scenario import (
    Grant,
    Interrupts,
    PathSettings,
    Scenario,
    ScenarioError,
    Serial,
    Step,
    Timing,
    load,
    parse,
)
from tests.ports import free_port

EACH = pytest.mark.parametrize("dialect", sorted(DIALECTS))


def calm(dialect: str, **changes: object) -> Scenario:
    return dataclasses.replace(load("calm"), dialect=dialect, **changes)  # type: ignore[arg-type]


def card(**changes: object) -> tuple:
    return (dataclasses.replace(load("calm").cards[0], **changes),)  # type: ignore[arg-type]


@EACH
def test_a_modem_starts_and_tells_who_it_is(dialect: str) -> None:
    bench = SteppedBench(calm(dialect))
    bench.up()
    found = bench.do(bench.dialect.identify())
    assert found["imei"] == "860123456789012" and found["imsi"] == "240016123456789"
    assert found["iccid"] == "8946001201234567890" and found["revision"] == bench.device.revision[:24]
    assert bench.do(bench.dialect.network_time()) == 1795299631
    assert bench.do(bench.dialect.signal())["rsrp"] == -87
    assert bench.do(bench.dialect.serving_cell())["operator"] == 24001


@EACH
def test_before_there_is_a_network_there_is_nothing(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, networks=(dataclasses.replace(load("calm").networks[0], up=False),)))
    bench.do(bench.dialect.power_on())
    bench.do(bench.dialect.start())
    bench.wait(60)
    assert bench.do(bench.dialect.registration()).stat == 2
    assert bench.do(bench.dialect.serving_cell()) == {}
    assert bench.do(bench.dialect.network_time()) is None
    assert bench.refusal(bench.dialect.pdp_up("a"))[0] in ("cme", "pdp")
    bench.radio.set_network("own", True)
    bench.wait(1)
    assert bench.do(bench.dialect.registration()).stat == 1


@EACH
@pytest.mark.parametrize("cause", [3, 8, 11, 15, 22])
def test_a_refused_card_shows_its_cause(dialect: str, cause: int) -> None:
    bench = SteppedBench(calm(dialect, cards=card(cause=cause)))
    bench.do(bench.dialect.power_on())
    bench.do(bench.dialect.start())
    bench.wait(1)
    found = bench.do(bench.dialect.registration())
    assert (found.stat, found.cause, found.registered) == (3, cause, False)
    assert [event[1].cause for event in bench.events if event[0] == "registration"][-1] == cause


@EACH
def test_a_modem_without_a_card_says_so(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, cards=card(present=False)))
    bench.do(bench.dialect.power_on())
    bench.do(bench.dialect.start())
    found = bench.do(bench.dialect.identify())
    assert found["imei"] and found["imsi"] is None and found["iccid"] is None


@EACH
def test_two_cards_two_operators_and_shared_masts(dialect: str) -> None:
    scenario = dataclasses.replace(load("sweden"), dialect=dialect)
    bench = SteppedBench(scenario)
    bench.up()
    assert bench.do(bench.dialect.serving_cell())["operator"] == 24007
    bench.radio.set_network("net4mobility", False)
    bench.wait(1)
    assert bench.do(bench.dialect.registration()).stat == 2
    bench.do(bench.dialect.select_sim(1))
    bench.wait(1)
    assert bench.do(bench.dialect.identify())["iccid"] == "8946010098765432109"
    assert bench.do(bench.dialect.serving_cell())["operator"] == 24001
    bench.do(bench.dialect.select_sim(0))
    bench.wait(1)
    assert not bench.do(bench.dialect.registration()).registered
    # A card of the other operator on the same masts is no spare.
    telenor = dataclasses.replace(scenario.cards[1], operator="Telenor")
    radio = Radio(dataclasses.replace(scenario, cards=(scenario.cards[0], telenor)))
    radio.set_network("net4mobility", False)
    assert radio.serve(telenor).stat == radio.serve(scenario.cards[0]).stat == 2


@EACH
def test_a_guest_roams_only_where_it_may(dialect: str) -> None:
    scenario = dataclasses.replace(load("sweden"), dialect=dialect)
    guest = dataclasses.replace(scenario.cards[0], roams=("Telia",))
    bench = SteppedBench(dataclasses.replace(scenario, cards=(guest,)))
    bench.radio.set_network("net4mobility", False)
    bench.up()
    found = bench.do(bench.dialect.registration())
    assert found.stat == 5 and found.registered


@EACH
def test_psm_timers_are_what_the_network_grants(dialect: str) -> None:
    asked = SteppedBench(calm(dialect))
    asked.up()
    asked.do(asked.dialect.save_power(7200, 6))
    assert asked.do(asked.dialect.registration()).tau is None
    bench = SteppedBench(calm(dialect, grant=Grant(active="00000101", tau="00100110")))
    bench.up()
    bench.do(bench.dialect.save_power(7200, 6))
    found = bench.do(bench.dialect.registration())
    assert (found.active, found.tau) == (10, 6 * 3600)


@pytest.mark.parametrize("dialect", ["bg95", "sim7080g"])
def test_the_key_switches_a_modem_off_that_is_awake(dialect: str) -> None:
    bench = SteppedBench(calm(dialect))
    bench.up()
    bench.do(bench.dialect.wake())
    assert bench.device.state == "on", "so nobody presses it then"
    bench.device.press_key()
    assert bench.device.state == "off" and bench.device.power_cuts == 0
    bench.device.press_key()
    bench.wait(10)
    assert bench.device.state == "on" and bench.device.boots == 2


def test_a_modem_falls_asleep_and_is_woken_by_its_key() -> None:
    bench = SteppedBench(calm("bg95", grant=Grant(active="00000101", tau="00100110")))
    bench.up()
    bench.do(bench.dialect.save_power(7200, 6))
    bench.wait(9.5)
    assert bench.device.state == "on"
    bench.wait(1)
    assert bench.device.state == "asleep" and ("asleep",) in bench.events
    # Asleep it hears nothing.
    assert bench.refusal(bench.dialect.registration())[0] in ("timeout", "hung")
    bench.wait(10)
    bench.do(bench.dialect.wake())
    bench.do(bench.dialect.start())
    bench.wait(1)
    assert bench.do(bench.dialect.registration()).registered


@EACH
def test_sms_there_and_back(dialect: str) -> None:
    bench = SteppedBench(
        calm(dialect, steps=(Step("sms", at_ms=5000, payload="001aff0d0a4f4b", sender="46701234567"),))
    )
    bench.up()
    bench.do(bench.dialect.sms_send("+46709999999", bytes(range(140))))
    assert bench.device.sent_sms == [("46709999999", bytes(range(140)))]
    # The card was not ready when the modem started; now it is.
    bench.do(bench.dialect.start())
    bench.wait(5)
    assert ("sms", 1) in bench.events
    assert bench.do(bench.dialect.sms_list()) == [1]
    found = bench.do(bench.dialect.sms_read(1))
    assert found.payload == bytes.fromhex("001aff0d0a4f4b") and found.sender == "+46701234567"
    bench.do(bench.dialect.sms_delete(1))
    assert bench.do(bench.dialect.sms_list()) == [] and bench.device.inbox == {}


@EACH
def test_a_lost_cell_comes_back(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, steps=(Step("cell_loss", at_ms=20000, ms=3000),)))
    bench.up()
    bench.do(bench.dialect.pdp_up("a"))
    bench.wait(21)
    assert not bench.do(bench.dialect.registration()).registered
    bench.wait(3)
    assert bench.do(bench.dialect.registration()).registered and bench.device.pdp


def test_a_lost_cell_does_not_come_back_to_who_has_found_another_since() -> None:
    bench = SteppedBench(calm("bg95", steps=(Step("cell_loss", at_ms=20000, ms=30000),)))
    bench.up()
    bench.wait(21)
    bench.do(bench.dialect.cycle())
    bench.wait(10)
    found = bench.device.serving
    assert found.stat == 1
    bench.wait(30)
    assert bench.device.serving is found


@EACH
def test_the_network_takes_the_path_away(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, steps=(Step("pdp_drop", at_ms=20000),)))
    bench.up()
    bench.do(bench.dialect.pdp_up("a"))
    bench.wait(20)
    assert ("pdp", False) in bench.events
    bench.do(bench.dialect.pdp_up("a"))
    assert bench.device.pdp
    bench.do(bench.dialect.pdp_down())
    assert not bench.device.pdp


@EACH
def test_a_card_taken_out_is_noticed(dialect: str) -> None:
    steps = (Step("card", at_ms=20000, up=False), Step("card", at_ms=30000))
    bench = SteppedBench(calm(dialect, steps=steps))
    bench.up()
    bench.wait(20)
    assert ("sim", "NOT INSERTED") in bench.events and not bench.do(bench.dialect.registration()).registered
    bench.wait(11)
    assert bench.do(bench.dialect.registration()).registered


@EACH
def test_the_other_card_stays_when_one_is_taken_out(dialect: str) -> None:
    steps = (Step("card", at_ms=20000, up=False, slot=0), Step("card", at_ms=60000, slot=0))
    bench = SteppedBench(dataclasses.replace(load("sweden"), dialect=dialect, steps=steps))
    bench.up()
    bench.wait(20)
    assert ("sim", "NOT INSERTED") in bench.events and not bench.do(bench.dialect.registration()).registered
    bench.do(bench.dialect.select_sim(1))
    bench.wait(3)
    assert bench.do(bench.dialect.serving_cell())["operator"] == 24001
    bench.wait(60)
    bench.do(bench.dialect.select_sim(0))
    bench.wait(3)
    assert bench.do(bench.dialect.serving_cell())["operator"] == 24007, "it is in again"


def test_a_network_that_goes_for_a_while_comes_back_however_late_it_went() -> None:
    """By the time since it went: at a fixed time it would be back before it is gone, where a machine is slow."""
    bench = SteppedBench(calm("bg95", steps=(Step("network", on="AT+CSQ", name="own", up=False, ms=1500),)))
    bench.up()
    bench.wait(60)
    bench.device.trigger("AT+CSQ")
    bench.wait(1)
    assert not bench.do(bench.dialect.registration()).registered
    bench.wait(10)
    assert bench.do(bench.dialect.registration()).registered


@EACH
def test_a_modem_may_be_switched_off(dialect: str) -> None:
    bench = SteppedBench(calm(dialect))
    bench.up()
    bench.do(bench.dialect.power_off())
    assert bench.device.state == "off"
    bench.up()
    assert bench.device.boots == 2


@EACH
def test_the_same_seed_says_the_same(dialect: str) -> None:
    def transcript(seed: int) -> bytes:
        bench = SteppedBench(calm(dialect, seed=seed, interrupts=Interrupts(0.5, ("+CREG: 1", "+CPIN: READY"))))
        bench.up()
        bench.do(bench.dialect.identify())
        return bench.said

    assert transcript(1) == transcript(1)
    assert len({transcript(seed) for seed in range(4)}) > 1


@EACH
def test_it_comes_in_pieces(dialect: str) -> None:
    bench = SteppedBench(calm(dialect, serial=Serial(chunk=1, gap_ms=0.1)))
    pieces = []
    heard = bench.device.out._write
    bench.device.out._write = lambda data: (pieces.append(data), heard(data))[1]  # type: ignore[assignment]
    bench.up()
    assert {len(piece) for piece in pieces} == {1}


def test_a_day_takes_no_time() -> None:
    """The virtual clock: with real times, and a fault a day later."""
    bench = SteppedBench(dataclasses.replace(Scenario(), steps=(Step("reset", at_ms=86_400_000),)))
    bench.up()
    bench.wait(86_400)
    assert bench.device.boots == 2 and ("boot",) in bench.events
    assert bench.stepped.now() > 86_400
    assert Timing().boot_ms == 5000


@EACH
def test_a_stream_goes_to_a_real_server(dialect: str) -> None:
    """TCP, for MQTT: more than one read, an end by the peer, and a port where nobody listens."""

    async def scenario() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            data = await reader.readexactly(3000)
            writer.write(data[::-1])
            await writer.drain()
            writer.close()

        port = free_port(socket.SOCK_STREAM)
        server = await asyncio.start_server(answer, "127.0.0.1", port)
        bench = LiveBench(calm(dialect))
        await bench.do(bench.dialect.power_on())
        await bench.do(bench.dialect.start())
        while not bench.device.registered():
            await asyncio.sleep(0.01)
        await bench.do(bench.dialect.pdp_up("a"))
        await bench.do(bench.dialect.open(1, TCP, "127.0.0.1", port))
        data = bytes(number % 251 for number in range(3000))
        for start in range(0, 3000, 1000):
            await bench.do(bench.dialect.send(1, data[start : start + 1000]))
        got = b""
        async with asyncio.timeout(60):
            while ("closed", 1) not in bench.events:
                await asyncio.sleep(0.01)
                if ("data", 1) in bench.events:
                    got += await bench.do(bench.dialect.receive(1))
        while part := await bench.do(bench.dialect.receive(1)):
            got += part
        assert got == data[::-1]
        await bench.do(bench.dialect.close(1))
        server.close()
        await server.wait_closed()
        with pytest.raises(AtError) as refused:
            await bench.do(bench.dialect.open(1, TCP, "127.0.0.1", port))
        assert refused.value.reason == "open"
        bench.device.set_power(False)

    asyncio.run(scenario())


def test_loss_is_loss() -> None:
    """Of 400 datagrams at 20 % about 80 are lost; the seed makes it the same every time."""
    import random

    from sim.modem.path import Path

    bench = SteppedBench(calm("bg95"))
    path = Path(PathSettings(latency_ms=10, jitter_ms=5, loss_up=0.2), bench.stepped, random.Random(5))
    arrived: list[float] = []
    for _ in range(400):
        path.carry(path.loss_up, lambda: arrived.append(bench.stepped.now()))
    bench.wait(1)
    assert len(arrived) + path.lost == 400 and 50 < path.lost < 110
    assert all(0.010 <= at <= 0.015 for at in arrived)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense = 1", "unknown keys: nonsense"),
        ("[serial]\nchunks = 1", "unknown keys: chunks"),
        ('[[steps]]\ndo = "explode"\nat_ms = 1', "no step does 'explode'"),
        ('[[steps]]\ndo = "reset"', "either at_ms or on"),
        ('[[steps]]\nat_ms = 1', "missing 1 required"),
        ('[[operators]]\nname = "A"\nplmn = "24001"\nnetworks = ["no"]', "names a network that is not there"),
        ('[[cards]]\niccid = "1"\nimsi = "1"\noperator = "no"', "names an operator that is not there"),
        ("x = ", "scenario:"),
        ("serial = 5", "[serial] is no table"),
        ("networks = 5", "networks is no list of tables"),
        ('[networks]\nname = "x"', "write [[networks]]"),
        ("networks = [5]", "[[networks]] is no table"),
        ('[path]\nlatency_ms = "slow"', "latency_ms cannot be 'slow'"),
        ("[path]\nlatency_ms = nan", "latency_ms cannot be nan"),
        ("[path]\nlatency_ms = true", "latency_ms cannot be True"),
        ("[path]\nloss_up = 3.0", "loss_up cannot be 3.0"),
        ("[timing]\nboot_ms = -5", "boot_ms cannot be -5"),
        ("[serial]\nchunk = 1.5", "chunk cannot be 1.5"),
        ("[interrupts]\nlines = [1, 2]", "lines cannot be [1, 2]"),
        ('[grant]\nactive = "5"', "active cannot be '5'"),
        ('dialect = "nokia"', "dialect cannot be 'nokia'"),
        ('[[operators]]\nname = "Own"\nplmn = "x"\nnetworks = ["own"]', "plmn cannot be 'x'"),
        ('[[operators]]\nname = "Own"\nplmn = "24001"\nnetworks = "own"', "networks cannot be 'own'"),
        ('[[networks]]\nname = "own"\n[[networks]]\nname = "own"', "two networks"),
        ("cards = []", "one card or two"),
        ('[[steps]]\ndo = "hang"\nat_ms = "soon"', "at_ms cannot be 'soon'"),
        ('[[steps]]\ndo = "sms"\nat_ms = 1\npayload = "zz"', "payload cannot be 'zz'"),
        ('[[steps]]\ndo = "cause"\nat_ms = 1\nslot = -5', "slot cannot be -5"),
        ('[[steps]]\ndo = "urc"\nat_ms = 1', "step urc needs lines"),
        ('[[steps]]\ndo = "block"\nat_ms = 1', "step block needs a port"),
    ],
)  # fmt: skip
def test_a_misspelt_scenario_is_refused(text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(said)):
        parse(text)


def test_an_absent_scenario_is_refused_with_the_names_of_the_others() -> None:
    with pytest.raises(ScenarioError, match=r"calm, .*sweden"):
        load("absent")
