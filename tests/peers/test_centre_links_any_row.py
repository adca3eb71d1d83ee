"""Whatever stands in a press's row: every link delivers it to a real receiver, live as live and test as test, and says
it again in the same octets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.alarms.decide import is_test
from fleet.alarms.model import PressKey
from fleet.clock import SystemClock
from fleet.forwarding.centre_secrets import Kept
from fleet.forwarding.links import link_to
from fleet.forwarding.model import Centre, Outcome, Owed
from fleet.forwarding.normalize import normalized
from fleet.forwarding.worker import CentreLink
from protocols.centre.alarm import Alarm, Mode
from protocols.centre.document import read_alarm
from tests.centres import PASSWORD, MemorySecrets, Receiving, dc09_centre, http_centre, owed, scaip_centre, sos_centre

SIGNING = "a signing secret of thirty octets"
numbers = st.integers(0, 0xFFFFFFFF)
moments = st.datetimes(datetime(1970, 1, 1), datetime(2106, 2, 7), timezones=st.just(UTC))
rows = st.builds(
    Owed,
    outbox=st.integers(1, 2**63 - 1),
    case=st.integers(1, 2**63 - 1),
    key=st.builds(PressKey, st.integers(1, 0xFFFFFFFF), numbers, numbers),
    attempts=st.integers(1, 9999),
    last_outcome=st.sampled_from([None, "refused", "no answer"]),
    received_at=moments,
    pressed_at=st.none() | moments,
    transport=st.sampled_from(["coap", "mqtt", "sms"]),
    kind=st.integers(0, 12) | st.integers(-(2**31), 2**31 - 1),
    input=st.none() | st.integers(0, 255) | st.integers(-(2**31), 2**31 - 1),
    count=st.none() | st.integers(0, 2**31 - 1),
    age_s=st.none() | st.integers(0, 2**63 - 1),
    battery=st.none() | st.integers(0, 255),
    flags=st.integers(0, 2**31 - 1),
    marks=st.just(()),
    unit_type=st.sampled_from(["social", "personal", "tracker", "camera", "technical"]),
    priority=st.integers(1, 9),
    presses=st.integers(1, 2**31 - 1),
    test=st.booleans(),
)


class World:
    """A receiver of every protocol and the links to them, on one event loop."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.folder = folder
        self.centres: dict[str, Receiving] = {}
        self.links: dict[str, CentreLink] = {}
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        enter = self._stack.enter_async_context
        self.centres = {
            "SIA-DCS": await enter(dc09_centre()), "ADM-CID": await enter(dc09_centre()),
            "encrypted": await enter(dc09_centre(key="0" * 32)), "scaip": await enter(scaip_centre("tcp")),
            "sos_access": await enter(sos_centre()), "webhook": await enter(http_centre()),
        }  # fmt: skip
        port = {name: centre.port for name, centre in self.centres.items()}
        self._add("SIA-DCS", "dc09", port["SIA-DCS"])
        self._add("ADM-CID", "dc09", port["ADM-CID"], form="ADM-CID")
        self._add("encrypted", "dc09", port["encrypted"], "0" * 32, utf8=True)
        self._add("scaip", "scaip", port["scaip"], transport="tcp")
        self._add("sos_access", "sos_access", port["sos_access"], PASSWORD, transport="tcp")
        self._add("webhook", "webhook", port["webhook"], SIGNING, url=f"http://127.0.0.1:{port['webhook']}/a")
        self._add("jsonl", "jsonl", 0, file=str(self.folder / "alarms.jsonl"))

    def _add(self, name: str, protocol: str, port: int, secret: str | None = None, **options: Any) -> None:
        centre = Centre(1, name, protocol, "127.0.0.1", port, options=options)
        self.links[name] = link_to(centre, Kept(secret), SystemClock(), secrets=MemorySecrets(secret or ""))

    async def close(self) -> None:
        for link in self.links.values():
            await link.close()
        await self._stack.aclose()

    def heard(self, name: str) -> list[Alarm]:
        """What the receiver has now, and forgets."""
        if name == "jsonl":
            (file,) = self.folder.glob("alarms-*.jsonl")
            lines = file.read_bytes().splitlines()
            file.unlink()
            return [read_alarm(line) for line in lines]
        centre = self.centres[name]
        found = [read_alarm(body) for _, body in centre.found] if name == "webhook" else centre.alarms()
        centre.found.clear()
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("lines"))
    made.runner.run(made.open())
    yield made
    made.runner.run(made.close())
    made.runner.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=rows)
def test_every_link_delivers_every_row_as_what_it_is(world: World, row: Owed) -> None:
    async def deliver() -> dict[str, list[Outcome]]:
        return {name: [await link.deliver(row), await link.deliver(row)] for name, link in world.links.items()}

    outcomes = world.runner.run(deliver())
    assert outcomes == {name: [Outcome.DELIVERED] * 2 for name in world.links}
    told = normalized(row)
    wanted = Mode.TEST if row.test or is_test(row.kind, row.flags) else Mode.LIVE
    assert told.mode is wanted
    for name in world.links:
        first, second = world.heard(name)
        assert {first.mode, second.mode} == {wanted}, name
        if name not in ("encrypted", "jsonl", "webhook"):
            assert first.source.raw == second.source.raw, name
        if name in ("jsonl", "webhook"):
            assert json.dumps(first.id) == json.dumps(second.id)
            assert (first, first.correlation.reference) == (second, row.key.reference)


def test_the_property_would_see_a_test_that_goes_out_as_a_live_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: a normalization that calls every press live is found by every protocol's receiver."""
    from dataclasses import replace

    from fleet.forwarding import link_dc09, link_scaip, link_sos_access, link_webhook

    drill = owed(17, kind=9, test=True, received_at=datetime.now(UTC) - timedelta(seconds=3))
    sabotaged = replace(normalized(owed(17)), mode=Mode.LIVE)
    for module in (link_dc09, link_scaip, link_sos_access, link_webhook):
        monkeypatch.setattr(module, "normalized", lambda row: sabotaged)

    async def deliver() -> list[Outcome]:
        return [await link.deliver(drill) for link in world.links.values()]

    assert set(world.runner.run(deliver())) == {Outcome.DELIVERED}
    assert {world.heard(name)[0].mode for name in world.links} == {Mode.LIVE}
