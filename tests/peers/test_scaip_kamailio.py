"""SCAIP through Kamailio on loopback: TLS edge in front of our receiver, TLS to it, and failover between two."""

from contextlib import asynccontextmanager

from fleet.forwarding.scaip_client import ScaipClient, verifying
from protocols.centre.alarm import Outcome
from protocols.centre.scaip import (
    AlarmReceived,
    Delivered,
    Failed,
    Refused,
    ReplySettled,
    Request,
    decode,
    encode,
    heartbeat,
)
from tests.ports import free_port
from tests.scaip_receiving import receiver, suffix
from tests.sip_programs import (
    DEVICE,
    DEVICE_READS_REPLY,
    certificate,
    filled,
    kamailio,
    no_complaint,
    no_socket,
    server_context,
    sipp,
)
from tests.steps import in_loop

CID = "10149471"
BODY = f"<mrq><ref>1193308443</ref><cid>{CID}</cid><dty>3</dty><stc>10</stc><crd>gsm:+3197025136418</crd></mrq>"
ALARM = Request(ref="r0001", cid=CID, dty="3", stc="10", crd=("no-voice:",))


@asynccontextmanager
async def centre(transport="udp", context=None):
    """Its URI, and what waits for its next event of a kind."""
    async with receiver(transport, context) as (port, next_of):
        yield f"sip:127.0.0.1:{port}{suffix(transport)}", next_of


@asynccontextmanager
async def edge(tmp_path, primary, secondary, **more):
    if not (tmp_path / "centre.crt").exists():
        certificate(tmp_path, "centre")
    port, tls = free_port(), free_port()
    async with kamailio(tmp_path, port, tls, primary, secondary, **more):
        yield port, tls


@asynccontextmanager
async def client_to(tmp_path, tls, authorities="edge.crt", **more):
    client = ScaipClient("127.0.0.1", tls, transport="tls", tls=verifying(str(tmp_path / authorities)), **more)
    try:
        yield client
    finally:
        await client.close()


def test_an_alarm_goes_through_the_tls_edge_and_its_reply_comes_back(tmp_path):
    async def steps():
        async with (
            centre() as (uri, next_of),
            edge(tmp_path, uri, uri) as (_, tls),
            client_to(tmp_path, tls) as client,
        ):
            for number in range(3):
                alarm = Request(ref=f"r{number}", cid=CID, dty="3", stc="10")
                ending = await client.send(alarm, encode(alarm))
                assert isinstance(ending, Delivered), ending
                assert (await next_of(AlarmReceived)).request == alarm
            probe = heartbeat(CID, "p1")
            assert isinstance(await client.send(probe, encode(probe)), Delivered)

    in_loop(steps)


def test_an_edge_with_a_strangers_certificate_gets_nothing(tmp_path):
    async def steps():
        certificate(tmp_path, "stranger")
        async with centre() as (uri, _), edge(tmp_path, uri, uri) as (_, tls):
            async with client_to(tmp_path, tls, "stranger.crt") as client:
                ending = await client.send(ALARM, encode(ALARM))
            assert (type(ending), ending.reply.native_code) == (Failed, "certificate")

    in_loop(steps)


def test_sipp_without_tls_reaches_our_tls_receiver_through_the_edge(tmp_path):
    async def steps():
        context = server_context(tmp_path)
        reply = tmp_path / "reply.xml"
        reply.write_text(DEVICE_READS_REPLY.replace("@ref@", decode(BODY.encode()).ref).replace("@snu@", "0"))
        scenario = filled(DEVICE.replace("@challenge@", ""), cid=CID, body=BODY)
        async with centre("tls", context) as (uri, next_of), edge(tmp_path, uri, uri) as (port, _):
            more = [f"127.0.0.1:{port}", "-oocsf", str(reply)]
            async with sipp(tmp_path, "device", scenario, free_port(), *more):
                event = await next_of(AlarmReceived)
                assert (event.alarm.source.transport, event.alarm.source.encrypted) == ("tls", True)
                assert await next_of(ReplySettled) == ReplySettled("1193308443", True)
        no_complaint(tmp_path)

    in_loop(steps)


def test_the_edge_refuses_a_receiver_with_a_strangers_certificate(tmp_path):
    """The control: Kamailio really verifies the certificate that our receiver shows."""

    async def steps():
        context = server_context(tmp_path)
        certificate(tmp_path, "stranger")
        async with (
            centre("tls", context) as (uri, _),
            edge(tmp_path, uri, uri, authorities="stranger.crt") as (_, tls),
            client_to(tmp_path, tls) as client,
        ):
            assert isinstance(await client.send(ALARM, encode(ALARM)), Failed)

    in_loop(steps)


def test_a_dead_primary_behind_the_proxy_is_passed_in_the_same_attempt(tmp_path):
    async def steps():
        dead = free_port()
        no_socket(dead)
        async with (
            centre() as (uri, next_of),
            edge(tmp_path, f"sip:127.0.0.1:{dead}", uri) as (_, tls),
            client_to(tmp_path, tls, patience_s=20.0) as client,
        ):
            assert isinstance(await client.send(ALARM, encode(ALARM)), Delivered)
            assert (await next_of(AlarmReceived)).request == ALARM

    in_loop(steps)


def test_a_proxy_without_any_centre_is_known_before_the_patience_is_over(tmp_path):
    async def steps():
        dead = f"sip:127.0.0.1:{free_port()}"
        async with edge(tmp_path, dead, dead) as (_, tls), client_to(tmp_path, tls, patience_s=30.0) as client:
            ending = await client.send(ALARM, encode(ALARM))
            assert isinstance(ending, Failed)
            assert ending.reply.native_code in {"sip 408", "sip 500", "sip 503"}

    in_loop(steps)


def test_what_the_proxy_does_not_take_is_refused_for_ever(tmp_path):
    """Dialect B's content type: this proxy knows application/scaip+xml only, and says so."""

    async def steps():
        request = decode(encode(ALARM).replace(b"mrq>", b"scaip>"))
        async with centre() as (uri, _), edge(tmp_path, uri, uri) as (_, tls), client_to(tmp_path, tls) as client:
            ending = await client.send(request, encode(request))
            assert isinstance(ending, Refused)
            assert (ending.reply.outcome, ending.reply.native_code) == (Outcome.REJECT_PERMANENT, "sip 415")

    in_loop(steps)
