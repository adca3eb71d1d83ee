"""The fleet's way to a SCAIP centre on real sockets: presses, probes, broken connections, slow and idle peers."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from fleet.alarms.decide import DURESS, MANUAL, TEST
from fleet.alarms.model import PressKey
from fleet.clock import SystemClock
from fleet.forwarding import sip_sockets
from fleet.forwarding.link_scaip import ScaipLink, unit_cid
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.scaip_client import ScaipClient
from livlina.centre_receive_scaip import ScaipReceiver
from protocols.centre.alarm import Category, Mode
from protocols.centre.scaip import AlarmReceived, Heartbeat
from tests.ports import free_port
from tests.steps import in_loop

AT = datetime(2026, 1, 2, 10, tzinfo=UTC)


def owed(seq=17, **changes):
    facets = {
        "outbox": seq, "case": 12, "key": PressKey(42, 3, seq), "attempts": 1, "last_outcome": None, "received_at": AT,
        "pressed_at": AT, "transport": "coap", "kind": MANUAL, "input": 2, "count": 2, "age_s": 4, "battery": 90,
        "flags": 0, "marks": (), "unit_type": "social", "priority": 1, "presses": 1,
    }  # fmt: skip
    return Owed(**{**facets, **changes})


@asynccontextmanager
async def centre(transport="udp", status=0, port=None, clock=None):
    """Our receiver; `found` is what it found."""
    found = []

    async def on_event(event):
        found.append(event)
        return status

    ours = ScaipReceiver(on_event, clock=clock)
    address = await ours.listen("127.0.0.1", port or free_port(), transport)
    run = asyncio.create_task(ours.run())
    try:
        yield address[1], found
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


@asynccontextmanager
async def link_to(port, transport="udp", **more):
    link = ScaipLink(ScaipClient("127.0.0.1", port, transport=transport, **more))
    try:
        yield link
    finally:
        await link.close()


def alarms(found):
    return [event.alarm for event in found if isinstance(event, AlarmReceived)]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_press_reaches_the_centre_with_its_case_and_its_reference(transport):
    async def steps():
        async with centre(transport) as (port, found), link_to(port, transport) as link:
            assert await link.deliver(owed()) is Outcome.DELIVERED
            assert await link.deliver(owed(18, kind=DURESS)) is Outcome.DELIVERED
            assert await link.deliver(owed(19, kind=TEST)) is Outcome.DELIVERED
        press, hidden, drill = alarms(found)
        assert (press.transmitter.id, press.correlation.reference) == (unit_cid(42), "0000002a-3-17")
        assert (press.correlation.incident_id, press.category, press.mode) == ("12", Category.PERSONAL_HELP, Mode.LIVE)
        assert (hidden.category, hidden.silent, hidden.voice.requested.value) == (Category.DURESS, True, "NONE")
        assert drill.mode is Mode.TEST

    in_loop(steps)


def test_a_probe_is_a_heartbeat_and_reaches_no_person():
    async def steps():
        async with centre() as (port, found), link_to(port) as link:
            assert await link.probe() is Outcome.DELIVERED
        assert [type(event) for event in found if not event.__class__.__name__.startswith("Reply")] == [Heartbeat]

    in_loop(steps)


@pytest.mark.parametrize(
    ("status", "delivered", "probed"),
    [
        (5, Outcome.UNIT_REFUSED, Outcome.UNIT_REFUSED),
        (99, Outcome.UNIT_REFUSED, Outcome.UNIT_REFUSED),
        (77, Outcome.UNIT_REFUSED, Outcome.UNIT_REFUSED),
        (4, Outcome.NO_ANSWER, Outcome.NO_ANSWER),
        (6, Outcome.NO_ANSWER, Outcome.NO_ANSWER),
        (7, Outcome.REFUSED, Outcome.REFUSED),
        (None, Outcome.NO_ANSWER, Outcome.NO_ANSWER),
    ],
)
def test_what_a_centre_answers_is_what_forwarding_hears(status, delivered, probed):
    async def steps():
        # None: it says nothing, and is waited for.
        patience_s = 0.5 if status is None else 30.0
        async with centre(status=status) as (port, _), link_to(port, patience_s=patience_s) as link:
            assert await link.deliver(owed()) is delivered
            assert await link.probe() is probed

    in_loop(steps)


def test_after_a_refusal_the_minimal_form_goes():
    async def steps():
        async with centre() as (port, found), link_to(port) as link:
            assert await link.deliver(owed(last_outcome=Outcome.REFUSED.value)) is Outcome.DELIVERED
        (alarm,) = alarms(found)
        assert set(alarm.source.wire) == {"ref", "cid", "dty", "stc", "crd"}

    in_loop(steps)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_nobody_there_is_no_answer(transport):
    async def steps():
        async with link_to(free_port(), transport, patience_s=0.5) as link:
            assert await link.deliver(owed()) is Outcome.NO_ANSWER

    in_loop(steps)


def test_a_name_that_no_resolver_takes_is_no_answer():
    async def steps():
        link = ScaipLink(ScaipClient("no..such..name", 5060))
        assert await link.deliver(owed()) is Outcome.NO_ANSWER
        await link.close()

    in_loop(steps)


def test_a_connection_that_broke_while_idle_costs_nothing():
    async def steps():
        port = free_port()
        async with link_to(port, "tcp") as link:
            for seq in (17, 18):
                async with centre("tcp", port=port) as (_, found):
                    assert await link.deliver(owed(seq)) is Outcome.DELIVERED
                    assert len(alarms(found)) == 1

    in_loop(steps)


def test_many_presses_at_once_share_the_way():
    async def steps():
        async with centre() as (port, found), link_to(port) as link:
            ends = await asyncio.gather(*(link.deliver(owed(seq)) for seq in range(1, 101)))
        assert set(ends) == {Outcome.DELIVERED}
        assert len({alarm.correlation.reference for alarm in alarms(found)}) == 100

    in_loop(steps)


class Hasty(SystemClock):
    """Thirty seconds are over at once."""

    def call_later(self, seconds, call):
        return super().call_later(seconds / 300, call)


@pytest.mark.parametrize(("clock", "cut"), [(Hasty(), True), (None, False)])
def test_a_peer_that_never_finishes_its_message_is_hung_up_on(clock, cut):
    async def steps():
        async with centre("tcp", clock=clock) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"MESSAGE sip:arc@h SIP/2.0\r\nVia: ")
            if cut:
                assert await reader.read() == b""
            else:
                writer.write(b"x\r\nContent-Length: 0\r\n\r\n\r\n\r\n")
                assert await reader.readexactly(2) == b"\r\n"
            writer.close()

    in_loop(steps)


def test_idle_connections_never_keep_an_alarm_out(monkeypatch):
    monkeypatch.setattr(sip_sockets, "MOST_CONNECTIONS", 5)

    async def steps():
        async with centre("tcp") as (port, found):
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
            async with link_to(port, "tcp") as link:
                assert await link.deliver(owed()) is Outcome.DELIVERED
            assert await idle[0][0].read() == b""
            assert len(alarms(found)) == 1
            for _, writer in idle:
                writer.close()

    in_loop(steps)
