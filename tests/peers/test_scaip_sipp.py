"""SCAIP against SIPp on loopback: SIPp is the device at our receiver, and the centre of our sender."""

import json
from contextlib import asynccontextmanager

import pytest

from fleet.forwarding.scaip_client import ScaipClient
from livlina.centre_receive_scaip import guard_of
from protocols.centre.alarm import Outcome
from protocols.centre.scaip import (
    AlarmReceived,
    Bad,
    Call,
    Credentials,
    Delivered,
    Dialect,
    Failed,
    Heartbeat,
    Refused,
    ReplySettled,
    Request,
    decode,
    encode,
    heartbeat,
)
from tests.ports import free_port
from tests.scaip_receiving import receiver
from tests.sip_programs import (
    CENTRE_ASKS,
    CENTRE_CARRIES,
    CENTRE_ENDS,
    CENTRE_HEAD,
    CENTRE_REPLIES,
    CHALLENGE,
    DEVICE,
    DEVICE_READS_REPLY,
    NO_BODY,
    filled,
    listens,
    no_complaint,
    sipp,
)
from tests.steps import in_loop

CID = "0000000042"
POSSUM = "<mrq><ref>1193308443</ref><cid>10149471</cid><dty>3</dty><stc>10</stc><crd>gsm:+3197025136418</crd></mrq>"
POSSUM_HEARTBEAT = "<mrq><mty>PI</mty><ref>1998218577</ref><cid>10149471</cid><dty>2</dty></mrq>"
ALARM = Request(ref="r0001", cid=CID, dty="3", stc="10", crd=("no-voice:",))


@asynccontextmanager
async def device(tmp_path, port, body, *, transport="udp", snu="0", cid="10149471", challenge=False, reads=True):
    """SIPp sends one message to the port, and reads the reply that comes outside its call."""
    ref = decode(body.encode()).ref
    reply = tmp_path / "reply.xml"
    reply.write_text(DEVICE_READS_REPLY.replace("@ref@", ref if reads else "another").replace("@snu@", snu))
    scenario = DEVICE.replace("@challenge@", CHALLENGE if challenge else "")
    more = [f"127.0.0.1:{port}", "-oocsf", str(reply)]
    kind = {"udp": "u1", "tcp": "t1"}[transport]
    async with sipp(
        tmp_path, "device", filled(scenario, cid=cid, body=body), free_port(), *more, transport=kind
    ) as program:
        yield program


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_an_alarm_of_sipp_is_taken_and_sipp_takes_our_reply(tmp_path, transport):
    async def steps():
        async with (
            receiver(transport, call=Call(("gsm:+46101234567",))) as (port, next_of),
            device(tmp_path, port, POSSUM, transport=transport),
        ):
            event = await next_of(AlarmReceived)
            assert event.alarm.source.raw.strip() == POSSUM.encode()
            assert event.alarm.voice.endpoints[0].uri == "gsm:+3197025136418"
            assert await next_of(ReplySettled) == ReplySettled("1193308443", True)
        no_complaint(tmp_path)

    in_loop(steps)


def test_a_heartbeat_of_sipp_is_one(tmp_path):
    async def steps():
        async with receiver() as (port, next_of), device(tmp_path, port, POSSUM_HEARTBEAT):
            assert (await next_of(Heartbeat)).request.cid == "10149471"
            assert (await next_of(ReplySettled)).delivered
        no_complaint(tmp_path)

    in_loop(steps)


def test_sipp_that_waits_for_another_reply_finds_ours_wrong(tmp_path):
    """The control: SIPp really reads what we send."""

    async def steps():
        async with receiver() as (port, next_of), device(tmp_path, port, POSSUM, reads=False):
            await next_of(ReplySettled)
        with pytest.raises(AssertionError, match="Failed regexp match"):
            no_complaint(tmp_path)

    in_loop(steps)


def test_a_device_without_dty_is_told_that_a_tag_is_missing(tmp_path):
    async def steps():
        body = "<mrq><ref>r1</ref><cid>1234</cid></mrq>"
        reply = tmp_path / "reply.xml"
        reply.write_text(DEVICE_READS_REPLY.replace("@ref@", "r1").replace("@snu@", "7"))
        scenario = filled(DEVICE.replace("@challenge@", ""), cid="1234", body=body)
        async with (
            receiver() as (port, next_of),
            sipp(tmp_path, "device", scenario, free_port(), f"127.0.0.1:{port}", "-oocsf", str(reply)),
        ):
            assert (await next_of(Bad)).message == "dty missing"
            assert (await next_of(ReplySettled)).delivered
        no_complaint(tmp_path)

    in_loop(steps)


@pytest.mark.parametrize("password", ["secret", "other"])
def test_sipp_shows_its_password(tmp_path, password):
    async def steps():
        body = POSSUM.replace("10149471", CID)
        guard = guard_of("centre", {CID: password})
        async with (
            receiver(guard=guard) as (port, next_of),
            device(tmp_path, port, body, cid=CID, challenge=True) as program,
        ):
            if password == "secret":
                assert (await next_of(AlarmReceived)).alarm.source.authenticated == "digest"
                assert (await next_of(ReplySettled)).delivered
            else:
                assert await program.ended() != 0

    in_loop(steps)


@asynccontextmanager
async def centre(tmp_path, *pieces, transport="udp", patience_s=30.0):
    """SIPp as a centre, and a client of ours towards it."""
    port = free_port()
    scenario = "".join([CENTRE_HEAD, *pieces, CENTRE_ENDS])
    kind = {"udp": "u1", "tcp": "t1"}[transport]
    async with sipp(tmp_path, "centre", scenario, port, transport=kind) as program:
        await listens(port)
        client = ScaipClient(
            "127.0.0.1", port, transport=transport, patience_s=patience_s, credentials=Credentials(CID, "secret")
        )
        try:
            yield client, program
        finally:
            await client.close()


def carries(status="200 OK", body=NO_BODY):
    return CENTRE_CARRIES.replace("@carried@", status).replace("@body@", body)


def replies(snu="0"):
    return CENTRE_REPLIES.replace("@snu@", snu)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("carried", ["200 OK", "202 Accepted"])
def test_sipp_as_a_centre_takes_an_alarm(tmp_path, transport, carried):
    async def steps():
        async with centre(tmp_path, carries(carried), replies(), transport=transport) as (client, program):
            ending = await client.send(ALARM, encode(ALARM))
            assert isinstance(ending, Delivered), ending
            assert ending.reply.voice.number == "gsm:+46101234567"
            assert await program.ended() == 0, program.said()

    in_loop(steps)


def test_sipp_as_a_centre_takes_a_heartbeat(tmp_path):
    async def steps():
        async with centre(tmp_path, carries(), replies()) as (client, _):
            probe = heartbeat(CID, "p1")
            assert isinstance(await client.send(probe, encode(probe)), Delivered)

    in_loop(steps)


@pytest.mark.parametrize(
    ("snu", "kind", "outcome"),
    [("6", Failed, Outcome.RETRY_OTHER), ("5", Failed, Outcome.RETRY_OTHER), ("7", Refused, Outcome.REJECT_PERMANENT)],
)
def test_a_status_other_than_0_delivers_nothing(tmp_path, snu, kind, outcome):
    async def steps():
        async with centre(tmp_path, carries(), replies(snu)) as (client, _):
            ending = await client.send(ALARM, encode(ALARM))
            assert (type(ending), ending.reply.outcome, ending.reply.native_code) == (kind, outcome, snu)

    in_loop(steps)


def test_a_bare_200_delivers_nothing(tmp_path):
    async def steps():
        async with centre(tmp_path, carries(), patience_s=5.0) as (client, program):
            ending = await client.send(ALARM, encode(ALARM))
            assert (type(ending), ending.reply.native_code) == (Failed, "sip 200")
            assert await program.ended() == 0

    in_loop(steps)


def test_a_503_is_known_at_once(tmp_path):
    async def steps():
        async with centre(tmp_path, carries("503 Service Unavailable")) as (client, _):
            ending = await client.send(ALARM, encode(ALARM))
            assert (type(ending), ending.reply.native_code) == (Failed, "sip 503")

    in_loop(steps)


def test_dialect_b_has_its_reply_in_the_200(tmp_path):
    async def steps():
        body = "Content-Type: application/xml\nContent-Length: [len]\n\n<scaip><ref>r0001</ref><snu>0</snu></scaip>"
        request = Request(ref="r0001", cid=CID, dty="3", stc="10", dialect=Dialect.B)
        port = free_port()
        scenario = "".join(
            [CENTRE_HEAD.replace("application/scaip.xml", "application/xml"), carries(body=body), CENTRE_ENDS]
        )
        async with sipp(tmp_path, "centre", scenario, port):
            await listens(port)
            client = ScaipClient("127.0.0.1", port)
            assert isinstance(await client.send(request, encode(request)), Delivered)
            await client.close()

    in_loop(steps)


@pytest.mark.parametrize("password", ["secret", "other"])
def test_sipp_checks_our_password(tmp_path, password):
    async def steps():
        asks = CENTRE_ASKS.replace('password="secret"', f'password="{password}"')
        async with centre(tmp_path, asks, carries(), replies()) as (client, _):
            ending = await client.send(ALARM, encode(ALARM))
            if password == "secret":
                assert isinstance(ending, Delivered)
            else:
                assert (type(ending), ending.reply.outcome) == (Refused, Outcome.AUTH)

    in_loop(steps)


def test_a_load_of_sipp_loses_nothing(tmp_path):
    """Two hundred devices a second for a second, over UDP: every message is answered once."""

    async def steps():
        body = POSSUM.replace("1193308443", "n[call_number]")
        reply = tmp_path / "reply.xml"
        reply.write_text(DEVICE_READS_REPLY.replace("@ref@", "n[0-9]+").replace("@snu@", "0"))
        scenario = filled(DEVICE.replace("@challenge@", ""), cid="10149471", body=body)
        async with receiver() as (port, next_of):
            more = [f"127.0.0.1:{port}", "-oocsf", str(reply), "-m", "200", "-r", "200", "-l", "200"]
            async with sipp(tmp_path, "device", scenario, free_port(), *more):
                refs = {(await next_of(ReplySettled)) for _ in range(200)}
        no_complaint(tmp_path)
        assert {one.ref for one in refs} == {f"n{number}" for number in range(1, 201)}
        assert all(one.delivered for one in refs), json.dumps([one.ref for one in refs if not one.delivered])

    in_loop(steps)
