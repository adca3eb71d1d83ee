"""SCAIP against PJSIP on loopback, both ways, over UDP, TCP and TLS."""

import pytest

from fleet.forwarding.scaip_client import ScaipClient, verifying
from livlina.centre_receive_scaip import guard_of
from protocols.centre.scaip import AlarmReceived, Delivered, Failed, ReplySettled, Request, encode
from tests.ports import free_port
from tests.scaip_receiving import receiver, suffix
from tests.sip_programs import certificate, listens, pjsip, server_context
from tests.steps import in_loop

CID = "10149471"
BODY = f"<mrq><ref>1193308443</ref><cid>{CID}</cid><dty>3</dty><stc>10</stc><crd>gsm:+3197025136418</crd></mrq>"
ALARM = Request(ref="r0001", cid=CID, dty="3", stc="10", crd=("no-voice:",))


async def device_says(tmp_path, transport, *, guard=None, password=None):
    """PJSIP sends one alarm to our receiver; what our receiver found, and what PJSIP heard."""
    context = server_context(tmp_path) if transport == "tls" else None
    more = ["--transport", transport, "--port", str(free_port()), "--user", CID, "--body", BODY]
    more += ["--authorities", str(tmp_path / "centre.crt")]
    if password is not None:
        more += ["--password", password]
    async with receiver(transport, context, guard=guard) as (port, next_of):
        to = f"sip:arc@127.0.0.1:{port}{suffix(transport)}"
        async with pjsip("device", *more, "--to", to) as device:
            status = await device.says("status")
            if status["code"] != 200:
                return status, None, None
            heard = await device.says("message")
            event, settled = await next_of(object), await next_of(object)
            assert isinstance(event, AlarmReceived)
            assert settled == ReplySettled("1193308443", True)
            return status, event, heard


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_an_alarm_of_pjsip_is_taken_and_pjsip_hears_it(tmp_path, transport):
    async def steps():
        status, event, heard = await device_says(tmp_path, transport)
        assert status["code"] == 200
        assert event.alarm.source.raw == BODY.encode()
        assert (event.alarm.source.transport, event.alarm.source.encrypted) == (transport, transport == "tls")
        assert heard["type"] == "application/scaip+xml"
        assert heard["body"] == "<mrs><ref>1193308443</ref><snu>0</snu><mre>1</mre><cre>61</cre></mrs>"

    in_loop(steps)


def test_pjsip_shows_its_password(tmp_path):
    async def steps():
        guard = guard_of("centre", {CID: "secret"})
        _, event, _ = await device_says(tmp_path, "udp", guard=guard, password="secret")
        assert event.alarm.source.authenticated == "digest"

    in_loop(steps)


def test_pjsip_with_another_password_is_not_let_in(tmp_path):
    async def steps():
        guard = guard_of("centre", {CID: "secret"})
        status, _, _ = await device_says(tmp_path, "udp", guard=guard, password="other")
        assert status["code"] == 401

    in_loop(steps)


async def to_pjsip(tmp_path, transport, *, snu="0", authorities="centre.crt"):
    port = free_port()
    crt, key = certificate(tmp_path, "centre")
    certificate(tmp_path, "stranger")
    more = ["--transport", transport, "--port", str(port), "--snu", snu, "--certificate", str(crt), "--key", str(key)]
    context = verifying(str(tmp_path / authorities)) if transport == "tls" else None
    async with pjsip("centre", *more) as centre:
        await centre.says("ready")
        await listens(port)
        client = ScaipClient("127.0.0.1", port, transport=transport, tls=context)
        try:
            return await client.send(ALARM, encode(ALARM))
        finally:
            await client.close()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_pjsip_as_a_centre_takes_an_alarm(tmp_path, transport):
    async def steps():
        assert isinstance(await to_pjsip(tmp_path, transport), Delivered)

    in_loop(steps)


def test_pjsip_as_a_busy_centre_takes_none(tmp_path):
    async def steps():
        ending = await to_pjsip(tmp_path, "udp", snu="6")
        assert (type(ending), ending.reply.native_code) == (Failed, "6")

    in_loop(steps)


def test_a_centre_with_a_strangers_certificate_gets_nothing(tmp_path):
    """The control of TLS: the same centre, verified by other authorities."""

    async def steps():
        ending = await to_pjsip(tmp_path, "tls", authorities="stranger.crt")
        assert (type(ending), ending.reply.native_code) == (Failed, "certificate")

    in_loop(steps)
