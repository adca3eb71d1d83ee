"""The product that a scenario judges: its own PostgreSQL, front doors, forwarding, escalation and messages to people.

All of it is the product's own code, composed as `fleet.app` composes it, on the world's clock. Around it stand two
simulated centres that keep logs, a telephone that keeps a log, and people at a console. Sabotage happens here, where
things are put together; no product code knows of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import psycopg

from fleet.alarms import store as alarms
from fleet.alarms.model import TakeRefused
from fleet.escalation.run import Escalation
from fleet.forwarding.links import Links
from fleet.forwarding.model import Centre as Configured
from fleet.forwarding.model import Policy
from fleet.forwarding.notices import NoticeLink, Notices
from fleet.forwarding.run import CentreLink, Forwarding
from fleet.ingest import intake
from fleet.ingest.run import Ingest
from fleet.registry import store as registry
from fleet.routines import store as routines
from fleet.routines.document import read_document
from fleet.settings import Settings
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.pool import Pool, fetch_all, make_pool, tenant_transaction
from fleet.store.postgres_cluster import APP
from livlina.installation import open_authority, open_secret_box
from provisioning.ca import CertificateAuthority
from provisioning.identity import Identity
from sim.centre import Behaviour, Centre
from sim.migrated import start_migrated
from sim.scenarios.world import START, WatchedLink, World
from sim.to_its_end import to_its_end

MUNICIPALITY = 1
PRIMARY, SECONDARY = "A", "B"
LEAD = "+46700000001"
"""The shift lead's number."""
NO_ESCALATION, NO_SECOND_CENTRE, NO_SHIFT_LEAD = "no-escalation", "no-second-centre", "no-shift-lead"
"""What can be left out when the fleet is put together."""


class Part(Protocol):
    """Something of the fleet that runs in loops of its own; `watch` raises when one of them has ended."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def watch(self) -> None: ...


class Telephone:
    """A gateway that takes every message and keeps it: one JSON object a line, `at` in seconds of the scenario."""

    def __init__(self, world: World, log: Path) -> None:
        self._world = world
        self._log = log
        log.touch()

    async def send(self, address: str, text: str) -> str:
        """One message."""
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": self._world.clock.now(), "to": address, "text": text}) + "\n")
        return "delivered"


class FleetUnderTest:
    """A running fleet. `folder` holds everything that it leaves behind; centres' logs are `A.jsonl` and `B.jsonl`.

    A scenario with routines, people or ways of its own overrides `municipalities`, `document`, `links`, `way_to`,
    `policy` or `further_parts`.
    """

    def __init__(self, world: World, folder: Path, without: Collection[str] = ()) -> None:
        self.world = world
        self.folder = folder
        self.postgres = EmbeddedPostgres(folder)
        self.settings = Settings(data=folder, coap_port=0, mqtt_port=0)
        self.centres: dict[str, Centre] = {}
        self._without = without
        self._box = open_secret_box(self.settings)
        self._ways: Links | None = None
        self._ingest: Ingest | None = None
        self._console: Pool | None = None
        self._watched: list[asyncio.Task[None]] = []

    @property
    def telephone_log(self) -> Path:
        """What people were told."""
        return self.folder / "telephone.jsonl"

    def centre_log(self, name: str) -> Path:
        """What a centre says it has."""
        return self.folder / f"{name}.jsonl"

    @property
    def door(self) -> tuple[str, int]:
        """The CoAP door."""
        assert self._ingest is not None
        return self._ingest.coap_address

    async def take(self, unit: int, actor: str) -> bool:
        """A person at a console takes the open case of a unit; whether there was one that nobody else had."""
        return await self._change(unit, "open", actor)

    async def close_case(self, unit: int, actor: str) -> bool:
        """The same person closes it."""
        return await self._change(unit, "taken", actor)

    def priority_of(self, unit: int) -> int | None:
        """How urgent the newest case of a unit is now; None without one."""
        with psycopg.connect(self.postgres.owner_url) as connection:
            query = "SELECT priority FROM cases WHERE unit_id = %s ORDER BY case_id DESC LIMIT 1"
            row = connection.execute(query, (unit,)).fetchone()
        return None if row is None else int(row[0])

    async def _change(self, unit: int, state: str, actor: str) -> bool:
        assert self._console is not None
        at = self.world.time.now()
        async with tenant_transaction(self._console, [MUNICIPALITY]) as connection:
            rows = await fetch_all(
                connection, "SELECT case_id FROM cases WHERE unit_id = %(unit)s AND state = %(state)s",
                {"unit": unit, "state": state},
            )  # fmt: skip
            if not rows:
                return False
            try:
                if state == "open":
                    await alarms.take_case(connection, rows[0]["case_id"], actor, at)
                else:
                    await alarms.close_case(connection, rows[0]["case_id"], actor, "helped", at)
            except TakeRefused:
                return False
        self.world.touch()
        return True

    async def register(self, identities: Sequence[Identity], unit_type: str, municipality: int = MUNICIPALITY) -> None:
        """The registry knows these units. Raises what the database raises."""
        async with (
            make_pool(self.postgres.app_url, "registry", size=1) as pool,
            pool.connection() as connection,
            connection.pipeline(),
        ):
            for one in identities:
                await registry.add_unit(
                    connection, self._box, unit=one.unit, municipality=municipality, unit_type=unit_type,
                    generation=one.generation, secret=one.secret16, fingerprint=secrets.token_bytes(32),
                    serial=f"{one.unit:x}",
                )  # fmt: skip

    def municipalities(self) -> Mapping[int, str]:
        """Number and name of each."""
        return {MUNICIPALITY: "One"}

    def document(self) -> dict[str, Any]:
        """What `livlina routine set` would be given: two centres in a route, a shift lead on duty."""
        since = (START - timedelta(days=30)).isoformat()
        names = [PRIMARY] if NO_SECOND_CENTRE in self._without else [PRIMARY, SECONDARY]
        document: dict[str, Any] = {
            "route": [
                {"municipality": MUNICIPALITY, "rank": rank, "centre": name, "valid_from": since}
                for rank, name in enumerate(names, 1)
            ],
            "recipient": [{"name": "Shift lead", "channel": "sms", "address": LEAD}],
            "role": [{"name": "shift_lead"}],
        }
        if NO_SHIFT_LEAD not in self._without:
            document["holder"] = [{"role": "shift_lead", "recipient": "Shift lead", "valid_from": since}]
        return document

    def links(self) -> Mapping[str, NoticeLink]:
        """The ways to people, by channel."""
        return {"sms": Telephone(self.world, self.telephone_log)}

    def way_to(self, centre: Configured) -> CentreLink:
        """The way to a centre."""
        assert self._ways is not None
        return self._ways.link_to(centre)

    def _answers(self, centre: str) -> bool:
        return self.centres[centre].behaviour not in (Behaviour.SILENT, Behaviour.MUTE)

    def policy(self) -> Policy:
        """Durations and counts of failover."""
        return Policy()

    def further_parts(self) -> Sequence[Part]:
        """What runs besides."""
        return ()

    async def _configure(self, ports: Mapping[str, int]) -> None:
        async with make_pool(self.postgres.app_url, "registry", size=1) as pool:
            async with pool.connection() as connection:
                for number, name in self.municipalities().items():
                    await registry.add_municipality(connection, number, name)
                for name, port in ports.items():
                    await registry.add_centre(connection, name=name, protocol="dc09", host="127.0.0.1", port=port)
            async with pool.connection() as connection:
                changes = await routines.changes_of(connection, read_document(self.document()), START)
                await routines.apply(connection, changes, START)

    def _hurry(self) -> None:
        """No scenario cuts the database's power, and its milliseconds are in no figure: a commit waits for no disk."""
        with psycopg.connect(self.postgres.owner_url, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {APP} SET synchronous_commit = off")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[CertificateAuthority]:
        """Everything, in the order that an installation would; gives the authority that units' certificates are from.

        All of it is gone afterwards; files stay where they are, except the database.
        """
        self.folder.parent.chmod(0o755)  # PostgreSQL's own user must be able to enter it
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.postgres.destroy)
            await to_its_end(lambda: start_migrated(self.postgres))
            await asyncio.to_thread(self._hurry)
            ports = {}
            for name in (PRIMARY, SECONDARY):
                centre = self.centres[name] = Centre(clock=lambda: self.world.time.now().timestamp())
                ports[name] = await centre.start("127.0.0.1", 0, self.centre_log(name))
                stack.push_async_callback(centre.stop)
            await self._configure(ports)
            authority = await asyncio.to_thread(open_authority, self.settings)
            await self.world.watch(self.postgres.owner_url)
            stack.push_async_callback(self.world.close)
            self._console = make_pool(self.postgres.app_url, "web", size=1)
            await self._console.open()
            stack.push_async_callback(self._console.close)
            self._ways = Links(self.postgres.app_url, self._box, self.world.time)
            await self._ways.start()
            stack.push_async_callback(self._ways.stop)
            for part in self._parts():
                await part.start()
                stack.push_async_callback(part.stop)
                self._watched.append(asyncio.create_task(part.watch()))
            try:
                yield authority
            finally:
                for watching in self._watched:
                    watching.cancel()
                await asyncio.gather(*self._watched, return_exceptions=True)

    def check(self) -> None:
        """Raises RuntimeError when a loop of the fleet has ended by a fault of its own."""
        for watching in self._watched:
            if watching.done():
                watching.result()

    def _parts(self) -> list[Part]:
        url, world = self.postgres.app_url, self.world
        clock = world.time
        # Reports wait a moment of real time for others to come; here time stands still meanwhile, and none comes.
        with mock.patch.object(intake, "READINGS_LINGER_S", 0.0):
            self._ingest = Ingest(self.settings, url, self._box, clock=clock.now)
        parts: list[Part] = [
            self._ingest,
            Forwarding(
                url,
                lambda centre: WatchedLink(world, self.way_to(centre), lambda: self._answers(centre.name)),
                clock=clock,
                policy=self.policy(),
            ),
            Notices(url, self.links(), clock=clock),
        ]  # fmt: skip
        if NO_ESCALATION not in self._without:
            parts.append(Escalation(url, clock=clock))
        return [*parts, *self.further_parts()]
