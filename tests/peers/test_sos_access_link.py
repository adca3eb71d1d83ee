"""SOS Access out of the fleet against a real receiver: statuses, passwords through their changes, pings."""

from __future__ import annotations

import logging

import pytest

from fleet.alarms.decide import TEST
from fleet.clock import SystemClock
from fleet.forwarding.links import Standing, link_to
from fleet.forwarding.model import Centre, Outcome
from fleet.forwarding.worker import CentreLink
from protocols.centre.alarm import Mode
from protocols.centre.sos_access.receiver import PingLimit
from tests.centres import OTHER_PASSWORD, PASSWORD, MemorySecrets, link, owed, sos_centre
from tests.steps import in_loop


def test_delivers_with_the_units_code_or_the_fleets() -> None:
    async def steps() -> None:
        async with sos_centre() as centre:
            each = link("sos_access", centre.port, PASSWORD, transport="tcp", receiver="larm", type="ABCDE")
            one = link("sos_access", centre.port, PASSWORD, transport="tcp", transmitter="77")
            assert await each.deliver(owed(17)) is Outcome.DELIVERED
            assert await each.deliver(owed(18, kind=TEST)) is Outcome.DELIVERED
            assert await one.deliver(owed(19)) is Outcome.DELIVERED
            assert await each.deliver(owed(17)) is Outcome.DELIVERED
            press, drill, fleets, again = centre.alarms()
            assert (press.transmitter.id, press.transmitter.type, press.mode) == ("0000002A", "ABCDE", Mode.LIVE)
            assert (press.correlation.reference, press.correlation.receiver) == ("0000002a-3-17", "larm")
            assert (drill.mode, fleets.transmitter.id) == (Mode.TEST, "77")
            assert again.source.raw == press.source.raw
            assert centre.found[3].duplicate

    in_loop(steps)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(0, Outcome.DELIVERED), (10, Outcome.DELIVERED), (1, Outcome.REFUSED), (3, Outcome.REFUSED), (7, Outcome.REFUSED),
     (4, Outcome.NOT_AUTHORIZED), (6, Outcome.NOT_AUTHORIZED), (5, Outcome.UNIT_REFUSED), (98, Outcome.NO_ANSWER),
     (99, Outcome.UNIT_REFUSED), (100, Outcome.REFUSED), (101, Outcome.NO_ANSWER), (77, Outcome.UNIT_REFUSED)],
)  # fmt: skip
def test_what_a_status_means_to_forwarding(status: int, outcome: Outcome) -> None:
    async def steps() -> None:
        async with sos_centre() as centre:
            centre.verdict = status
            assert await link("sos_access", centre.port, PASSWORD, transport="tcp").deliver(owed()) is outcome

    in_loop(steps)


def test_a_wrong_password_is_refused_and_said_without_it(caplog: pytest.LogCaptureFixture) -> None:
    async def steps() -> None:
        async with sos_centre() as centre:
            way = link("sos_access", centre.port, OTHER_PASSWORD, transport="tcp")
            with caplog.at_level(logging.DEBUG):
                assert await way.deliver(owed()) is Outcome.NOT_AUTHORIZED
            assert centre.used == [OTHER_PASSWORD]
            assert way.said == "status 4"
            assert OTHER_PASSWORD not in caplog.text
            assert not centre.alarms()

    in_loop(steps)


def rotating(port: int, secrets: MemorySecrets, standing: Standing | None = None) -> CentreLink:
    options = {"transport": "tcp", "transmitter": "77", "rotate_days": 30}
    return link_to(
        Centre(1, "A", "sos_access", "127.0.0.1", port, options=options), secrets.kept, SystemClock(),
        standing=standing, secrets=secrets,
    )  # fmt: skip


def test_a_new_password_is_stored_before_it_is_used() -> None:
    async def steps() -> None:
        async with sos_centre() as centre:
            centre.issues = [OTHER_PASSWORD]
            secrets = MemorySecrets(PASSWORD)
            way = rotating(centre.port, secrets)
            assert await way.probe() is Outcome.DELIVERED
            assert secrets.history == [(PASSWORD, OTHER_PASSWORD)]
            assert centre.used == [PASSWORD, PASSWORD]
            assert await way.deliver(owed()) is Outcome.DELIVERED
            assert centre.used[-1] == OTHER_PASSWORD
            assert secrets.history[-1] == (OTHER_PASSWORD, None)
            assert await way.deliver(owed(18)) is Outcome.DELIVERED
            assert await way.probe() is Outcome.REFUSED, "too soon for another ping: a connection is all that is tried"
            assert len(secrets.history) == 2

    in_loop(steps)


def test_a_restart_between_issue_and_use_goes_on_with_the_new_one() -> None:
    async def steps() -> None:
        async with sos_centre() as centre:
            centre.issued = OTHER_PASSWORD
            secrets = MemorySecrets(PASSWORD, next=OTHER_PASSWORD)
            assert await rotating(centre.port, secrets).deliver(owed()) is Outcome.DELIVERED
            assert secrets.kept.secret == OTHER_PASSWORD
            assert secrets.kept.next is None

    in_loop(steps)


def test_an_issued_password_that_the_centre_forgot_falls_back_to_the_old_one() -> None:
    async def steps() -> None:
        async with sos_centre() as centre:
            secrets = MemorySecrets(PASSWORD, next=OTHER_PASSWORD)
            assert await rotating(centre.port, secrets).deliver(owed()) is Outcome.DELIVERED
            assert centre.used == [OTHER_PASSWORD, PASSWORD]
            assert (secrets.kept.secret, secrets.kept.next) == (PASSWORD, None)

    in_loop(steps)


def test_a_password_that_cannot_be_stored_is_never_used() -> None:
    async def steps() -> None:
        async with sos_centre() as centre:
            centre.issues = [OTHER_PASSWORD]
            secrets = MemorySecrets(PASSWORD)
            secrets.broken = True
            way = rotating(centre.port, secrets)
            assert await way.probe() is Outcome.DELIVERED
            assert await way.deliver(owed()) is Outcome.DELIVERED
            assert set(centre.used) == {PASSWORD}

    in_loop(steps)


def test_what_another_process_has_changed_is_read_again() -> None:
    async def steps() -> None:
        async with sos_centre() as centre:
            secrets = MemorySecrets(PASSWORD)
            way = rotating(centre.port, secrets)
            centre.password = OTHER_PASSWORD
            secrets.kept = MemorySecrets(OTHER_PASSWORD, rotated=True).kept
            assert await way.deliver(owed()) is Outcome.DELIVERED
            assert centre.used == [PASSWORD, OTHER_PASSWORD]

    in_loop(steps)


def test_pings_stay_within_the_service_level() -> None:
    """A centre that counts: twenty probes in no time, of which it hears one; after silence the limit alone bounds."""

    async def steps() -> None:
        async with sos_centre(pings=PingLimit(180.0)) as centre:
            standing = Standing()
            for expected in [Outcome.DELIVERED] + [Outcome.REFUSED] * 19:
                way = link("sos_access", centre.port, PASSWORD, transport="tcp", standing=standing)
                assert await way.probe() is expected
            assert centre.kinds() == ["Ping"]
            assert standing.pings is not None
            standing.pings.answered = False
            assert await way.probe() is Outcome.DELIVERED
            assert centre.kinds() == ["Ping", "Ping"]
            for _ in range(20):
                standing.pings.answered = False
                await way.probe()
            assert centre.kinds() == ["Ping"] * 6

    in_loop(steps)


def test_between_two_pings_a_centre_that_was_silent_is_not_called_alive() -> None:
    async def steps() -> None:
        async with sos_centre() as centre:
            standing = Standing()
            way = link("sos_access", centre.port, PASSWORD, transport="tcp", ping_level="5h", standing=standing)
            assert await way.probe() is Outcome.DELIVERED
            centre.answers = False
            assert await way.deliver(owed()) is Outcome.NO_ANSWER
            assert await way.probe() is Outcome.NO_ANSWER
            assert centre.kinds().count("Ping") == 2
        assert await way.probe() is Outcome.NO_ANSWER

    in_loop(steps)
