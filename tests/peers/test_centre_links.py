"""DC-09 and SCAIP out of the fleet against real receivers, and TLS of every link: keys, certificates, pins, repeats."""

from __future__ import annotations

import asyncio

import pytest

from fleet.alarms.decide import TEST
from fleet.forwarding.links import Standing
from fleet.forwarding.model import Outcome
from protocols.centre.alarm import Category, Mode
from protocols.centre.sia_dc09.frame import DUH, NAK
from tests.centres import (
    OTHER_PASSWORD,
    PASSWORD,
    REFUSED_BEFORE,
    SIGNING,
    Certificate,
    ShiftedClock,
    dc09_centre,
    http_centre,
    link,
    make_certificate,
    owed,
    scaip_centre,
    sos_centre,
)  # fmt: skip
from tests.steps import in_loop

KEY = "000102030405060708090a0b0c0d0e0f"
OTHER_KEY = "f" * 32


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("stranger"))


# DC-09 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["tcp", "udp", "tls"])
@pytest.mark.parametrize("form", ["SIA-DCS", "ADM-CID"])
@pytest.mark.parametrize("key", [None, KEY])
def test_dc09_delivers_by_every_transport_in_both_forms(
    transport: str, form: str, key: str | None, certificate: Certificate
) -> None:
    async def steps() -> None:
        tls = certificate.server() if transport == "tls" else None
        authority = {"ca": certificate.authority} if transport == "tls" else {}
        async with dc09_centre(transport, key=key, tls=tls) as centre:
            way = link("dc09", centre.port, key, transport=transport, form=form, **authority)
            assert await way.deliver(owed(17)) is Outcome.DELIVERED
            assert await way.deliver(owed(18, kind=TEST)) is Outcome.DELIVERED
            assert await way.deliver(owed(17)) is Outcome.DELIVERED
            assert await way.probe() is Outcome.DELIVERED
            await way.close()
            press, drill, again = centre.alarms()
            assert (press.transmitter.id, press.category, press.mode) == ("0000002A", Category.PERSONAL_HELP, Mode.LIVE)
            assert press.correlation.reference == "0000002a-3-17"
            assert drill.mode is Mode.TEST
            assert (press.source.encrypted, press.source.transport) == (key is not None, transport)
            assert again.correlation == press.correlation
            assert [event.duplicate for event in centre.found[:3]] == [False, False, True]
            if key is None:
                assert again.source.raw == press.source.raw
            assert centre.kinds()[-1] == "Heartbeat"

    in_loop(steps)


def test_dc09_accents_stay_only_where_the_receiver_reads_them() -> None:
    """Nothing in a press has accents today: the option must change no octet of it."""

    async def steps() -> None:
        async with dc09_centre() as centre:
            for utf8 in (False, True):
                assert await link("dc09", centre.port, utf8=utf8).deliver(owed()) is Outcome.DELIVERED
            assert centre.alarms()[0].source.raw == centre.alarms()[1].source.raw

    in_loop(steps)


def test_dc09_a_nak_sets_the_clock_for_this_and_later_messages() -> None:
    async def steps() -> None:
        async with dc09_centre(key=KEY) as centre:
            standing = Standing()
            ahead = ShiftedClock(3600)
            way = link("dc09", centre.port, KEY, ahead, standing=standing)
            assert await way.deliver(owed(17)) is Outcome.DELIVERED
            assert [event.fresh for event in centre.found] == [False, True]
            assert -3605 < standing.offset.seconds < -3595
            assert await way.deliver(owed(18)) is Outcome.DELIVERED
            assert await link("dc09", centre.port, KEY, ahead, standing=standing).probe() is Outcome.DELIVERED
            assert [event.fresh for event in centre.found] == [False, True, True, True]
            await way.close()

    in_loop(steps)


def test_dc09_whose_clock_no_nak_can_set_is_refused() -> None:
    async def steps() -> None:
        async with dc09_centre() as centre:
            centre.verdict = NAK
            way = link("dc09", centre.port)
            assert await way.deliver(owed()) is Outcome.REFUSED
            centre.verdict = DUH
            assert await way.deliver(owed()) is Outcome.REFUSED
            centre.verdict = None
            assert await way.deliver(owed(last_outcome=REFUSED_BEFORE)) is Outcome.DELIVERED
            assert b"^ref 0000002a-3-17^" in centre.alarms()[-1].source.raw
            await way.close()

    in_loop(steps)


@pytest.mark.parametrize(("ours", "theirs"), [(OTHER_KEY, KEY), (None, KEY), (KEY, None)])
def test_dc09_under_another_key_or_none_nothing_is_delivered(ours: str | None, theirs: str | None) -> None:
    async def steps() -> None:
        async with dc09_centre(key=theirs) as centre:
            way = link("dc09", centre.port, ours)
            assert await way.deliver(owed()) is not Outcome.DELIVERED
            assert not centre.alarms()
            await way.close()

    in_loop(steps)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_dc09_silence_is_no_answer_within_the_lease(transport: str) -> None:
    async def steps() -> None:
        async with dc09_centre(transport) as centre:
            centre.answers = False
            began = asyncio.get_running_loop().time()
            way = link("dc09", centre.port, transport=transport)
            assert await way.deliver(owed()) is Outcome.NO_ANSWER
            assert 3.5 < asyncio.get_running_loop().time() - began < 7.5
            assert len(centre.found) == (3 if transport == "udp" else 1)
            centre.answers = True
            assert await way.deliver(owed()) is Outcome.DELIVERED
            await way.close()

    in_loop(steps)


# Certificates --------------------------------------------------------------------------------------------------------


def test_a_pinned_certificate_is_believed_whatever_its_authority(certificate: Certificate) -> None:
    async def steps() -> None:
        async with dc09_centre("tls", tls=certificate.server()) as dc09, sos_centre(tls=certificate.server()) as sos:
            pinned = {"transport": "tls", "pin": certificate.pin}
            assert await link("dc09", dc09.port, **pinned).deliver(owed()) is Outcome.DELIVERED
            assert await link("sos_access", sos.port, PASSWORD, **pinned).deliver(owed()) is Outcome.DELIVERED

    in_loop(steps)


@pytest.mark.parametrize("believed", ["pin", "ca", "nothing"])
def test_a_certificate_that_is_not_believed_hears_not_a_word(
    believed: str, certificate: Certificate, stranger: Certificate
) -> None:
    """The negative control of the tests above: another pin, another authority, the system's authorities."""
    wrong = {"pin": {"pin": stranger.pin}, "ca": {"ca": stranger.authority}, "nothing": {}}[believed]

    async def steps() -> None:
        tls = certificate.server()
        async with (
            dc09_centre("tls", tls=tls) as dc09, sos_centre(tls=tls) as sos, scaip_centre("tls", tls=tls) as scaip,
            http_centre(certificate) as hook,
        ):  # fmt: skip
            ways = [
                link("dc09", dc09.port, transport="tls", **wrong),
                link("sos_access", sos.port, PASSWORD, transport="tls", **wrong),
            ]
            if believed != "pin":
                ways.append(link("scaip", scaip.port, transport="tls", **wrong))
                ways.append(link("webhook", 443, SIGNING, url=f"https://localhost:{hook.port}/a", **wrong))
            for way in ways:
                assert await way.deliver(owed()) is Outcome.WRONG_CERTIFICATE
                assert "certificate" in way.said
                assert await way.probe() is Outcome.WRONG_CERTIFICATE
                await way.close()
            assert not (dc09.found or sos.found or sos.used or scaip.found or hook.found)

    in_loop(steps)


# SCAIP ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_scaip_with_a_password_by_every_transport(transport: str, certificate: Certificate) -> None:
    async def steps() -> None:
        tls = certificate.server() if transport == "tls" else None
        more = {"ca": certificate.authority} if transport == "tls" else {}
        async with scaip_centre(transport, passwords={"fleet": PASSWORD}, tls=tls) as centre:
            way = link("scaip", centre.port, PASSWORD, transport=transport, username="fleet", user="larm", **more)
            assert await way.deliver(owed(17)) is Outcome.DELIVERED
            assert await way.deliver(owed(18, kind=TEST)) is Outcome.DELIVERED
            assert await way.deliver(owed(17)) is Outcome.DELIVERED
            assert await way.probe() is Outcome.DELIVERED
            await way.close()
            press, drill, again = centre.alarms()
            assert (press.transmitter.id, press.mode, drill.mode) == ("0000000042", Mode.LIVE, Mode.TEST)
            assert press.source.authenticated == "digest"
            assert again.source.raw == press.source.raw
            assert [event.duplicate for event in centre.found[:3]] == [False, False, True]

    in_loop(steps)


def test_scaip_with_a_wrong_password_delivers_nothing() -> None:
    async def steps() -> None:
        async with scaip_centre("tcp", passwords={"fleet": PASSWORD}) as centre:
            way = link("scaip", centre.port, OTHER_PASSWORD, transport="tcp", username="fleet")
            assert await way.deliver(owed()) is not Outcome.DELIVERED
            assert not centre.alarms()
            await way.close()

    in_loop(steps)


@pytest.mark.parametrize(("form", "cid"), [("decimal10", "0000000042"), ("decimal", "42"), ("hex8", "0000002A")])
def test_scaip_writes_the_units_number_as_the_centre_knows_it(form: str, cid: str) -> None:
    async def steps() -> None:
        async with scaip_centre() as centre:
            way = link("scaip", centre.port, cid=form)
            assert await way.deliver(owed()) is Outcome.DELIVERED
            assert centre.alarms()[0].transmitter.id == cid
            await way.close()

    in_loop(steps)
