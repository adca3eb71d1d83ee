"""DC-09 against public implementations on loopback: pysiaalarm receives from us, siadc09 reads and sends.

Both have known defects, and what is asserted keeps clear of them: pysiaalarm wants one frame a write, R0 and ASCII, and
answers a bare word to an account that it does not know; siadc09 reads no NAK and turns an account into a number.
"""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysiaalarm import SIAAccount
from pysiaalarm.aio import SIAClient
from siadc09 import account as siadc09_account
from siadc09 import message as siadc09_message
from siadc09 import siadcs

from protocols.centre.alarm import (
    Action,
    Alarm,
    Category,
    Correlation,
    Device,
    Mode,
    Source,
    Text,
    Transmitter,
)
from protocols.centre.sia_dc09 import (
    ClockNak,
    Delivered,
    Frame,
    NoAnswer,
    Refused,
    Sender,
    alarm_frame,
    encode,
    poll,
    unit_account,
)
from protocols.centre.sia_dc09.codes import SENT
from sim.centre import Centre
from tests.ports import free_port
from tests.steps import in_loop

UNIT = unit_account(42)
PRESSED = datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC)


def press(category=Category.PERSONAL_HELP, text="Kök, 2 tr", **more):
    facets = {
        "id": "1",
        "received_at": PRESSED,
        "occurred_at": PRESSED,
        "source": Source("fleet", "mqtt"),
        "transmitter": Transmitter("0000002a"),
        "action": Action.NEW,
        "category": category,
        "correlation": Correlation(reference="0000002a-3-17", incident_id="12"),
        "device": Device(component="2"),
        "text": (Text(text),),
        "extra": {"count": "2", "age_s": "4"},
    }
    return Alarm(**{**facets, **more})


@asynccontextmanager
async def pysiaalarm_centre(accounts=(UNIT,)):
    """A real receiver and a connection of ours to it; `said` is what its application was told."""
    said = asyncio.Queue()
    port = free_port()
    client = SIAClient("127.0.0.1", port, [SIAAccount(account) for account in accounts], said.put)
    await client.async_start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(sender, frame):
        writer.write(sender.send(frame, 0.0))
        octets = await reader.read(4096)
        return sender.received(octets, 0.0)

    try:
        yield ask, said
    finally:
        writer.close()
        await client.async_stop()


def test_pysiaalarm_acknowledges_every_category_that_we_send():
    async def steps():
        async with pysiaalarm_centre() as (ask, said):
            sender = Sender()
            for seq, category in enumerate(SENT, 1):
                frame = alarm_frame(press(category), seq, UNIT)
                assert await ask(sender, frame) == [Delivered(frame.seq, UNIT, frame)]
                event = await said.get()
                assert (event.account, event.sequence, event.ri) == (UNIT, frame.seq, "2")
                assert event.code in frame.data
                assert "ref 0000002a-3-17 case 12" in event.x_data

    in_loop(steps)


def test_pysiaalarm_reads_the_minimal_form_and_the_link_test():
    async def steps():
        async with pysiaalarm_centre() as (ask, said):
            sender = Sender()
            frame = alarm_frame(press(), 17, UNIT, minimal=True)
            assert await ask(sender, frame) == [Delivered("0017", UNIT, frame)]
            event = await said.get()
            assert (event.code, event.message) == ("QA", "002^ref 0000002a-3-17^")
            assert await ask(sender, poll(UNIT)) == [Delivered("0000", UNIT, poll(UNIT))]
            await said.get()
            await ask(sender, alarm_frame(press(mode=Mode.TEST), 18, UNIT))
            assert (await said.get()).code == "RX"

    in_loop(steps)


def test_a_code_that_pysiaalarm_does_not_know_is_a_refusal():
    async def steps():
        async with pysiaalarm_centre() as (ask, _):
            frame = Frame("SIA-DCS", "0001", UNIT, "0", "0", f"#{UNIT}|NQW1")
            assert await ask(Sender(), frame) == [Refused("0001", UNIT)]

    in_loop(steps)


def test_the_bare_word_of_pysiaalarm_to_an_unknown_account_is_a_refusal_and_no_silence():
    async def steps():
        async with pysiaalarm_centre(accounts=("1234",)) as (ask, _):
            sender = Sender(ack_timeout_s=4.0)
            assert await ask(sender, alarm_frame(press(), 1, UNIT)) == [ClockNak("0001", UNIT, None)]
            assert sender.timeout(4.0) == []

    in_loop(steps)


def test_utf8_text_shows_why_ascii_is_the_default():
    """The control: what pysiaalarm cannot read gets no ACK from it, and the sender says so."""

    async def steps():
        async with pysiaalarm_centre() as (ask, _):
            sender = Sender()
            assert await ask(sender, alarm_frame(press(), 1, UNIT, utf8=True)) == []
            assert sender.timeout(4.0) == [NoAnswer("0001", UNIT)]

    in_loop(steps)


def read_by_siadc09(frame):
    return siadc09_message.parse_frame(encode(frame))


def test_siadc09_reads_a_press_as_it_was_meant():
    found = read_by_siadc09(alarm_frame(press(), 17, UNIT, utf8=True))
    assert (found.idtoken, found.seq, found.account.acct) == ("SIA-DCS", 17, 42)
    assert (found.account.rcvr, found.account.pref) == (0, None)
    (event,) = next(block for block in found.data.blocks if isinstance(block, siadcs.DcsInfo)).events
    assert (event.code, event.addr, event.modifiers["ri"].value) == ("QA", 2, 2)
    assert {item.prefix: item.value for item in found.xdata} == {
        "H": PRESSED,
        "I": "ref 0000002a-3-17 case 12 press 2 age 4 s: Kök, 2 tr",
    }


@pytest.mark.parametrize("action", [Action.NEW, Action.RESTORE, Action.CANCEL])
@pytest.mark.parametrize("category", sorted(SENT))
@pytest.mark.parametrize("minimal", [False, True])
def test_siadc09_knows_every_code_that_we_send(category, action, minimal):
    found = read_by_siadc09(alarm_frame(press(category, action=action), 1, UNIT, minimal))
    (event,) = next(block for block in found.data.blocks if isinstance(block, siadcs.DcsInfo)).events
    assert event.name
    assert event.descr == ("ref 0000002a-3-17" if minimal else None)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(1, 9999))
def test_siadc09_accepts_every_frame_of_ours(text, seq):
    found = read_by_siadc09(alarm_frame(press(text=text), seq, UNIT, utf8=True))
    assert found.seq == seq
    assert {item.prefix: item.value for item in found.xdata}["I"].startswith("ref 0000002a-3-17 ")


@pytest.mark.parametrize(
    "frame", [poll("1234"), Frame("ACK", "0017", "1234", "0", "0"), Frame("DUH", "0017", "1234", None, "0")]
)
def test_siadc09_writes_what_we_write(frame):
    assert read_by_siadc09(frame).encode() == encode(frame)


def test_siadc09_as_a_unit_at_our_centre(tmp_path):
    async def steps():
        centre = Centre()
        port = await centre.start("127.0.0.1", free_port(), tmp_path / "centre.jsonl")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        unit = siadc09_account.Account(acct=0x1234, rcvr=0xF3, pref=0x77)
        data = siadcs.parse_siadcs(b"#1234|Nri1/QA001/FA129")
        event = siadc09_message.EventMessage(unit, config={"idtoken": "SIA-DCS", "seqno": 9, "data": data})
        for octets, seq in ((event.encode(), 9), (siadc09_message.NullMessage(unit).encode(), 0)):
            writer.write(octets)
            answer = siadc09_message.parse_frame(await reader.readuntil(b"\r"))
            assert isinstance(answer, siadc09_message.AckMessage)
            assert (answer.seq, answer.account.acct, answer.account.rcvr, answer.account.pref) == (
                seq,
                0x1234,
                0xF3,
                0x77,
            )
        assert [(record.account, record.category) for record in centre.alarms] == [
            ("1234", "PERSONAL_HELP"),
            ("1234", "FIRE"),
        ]
        assert centre.heartbeats == 1
        writer.close()
        await centre.stop()

    in_loop(steps)
