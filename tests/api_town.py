"""Two municipalities behind one API, a token for every role of the first, and canaries in the second.

A canary is a string that no answer, log or record may hold. The server is the product's own application over a real
database; requests go through its whole stack.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import uvicorn

from fleet.alarms import store as alarms
from fleet.evidence.chainer import chain_once
from fleet.people import store as people
from fleet.people.model import ROLES, Actor
from fleet.registry import recipients
from fleet.registry import store as registry
from fleet.registry import units as unit_life
from fleet.registry.recipients import Contact, Person
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, make_pool, tenant_transaction
from fleet.web.app import make_app
from tests.database import FreshDatabase
from tests.fleet_server import run
from tests.ports import free_port
from tests.presses import press
from tests.questions import ask

OWN, FOREIGN = 1, 2
CANARIES = {
    "a foreign municipality": "Kanarieholm",
    "a foreign unit": "00c0ffee",
    "a foreign reference": "KANARIE-77",
    "a foreign district": "Gula buren",
    "a foreign person": "Astrid Kanariefågel",
    "a foreign address": "Burgatan 7",
    "a foreign login": "kanarie.operator",
    "a foreign receiver": "kanarie.example",
    "a protected person": "Skyddad Siska",
    "a protected address": "Hemliga stigen 9",
    "a unit's key": "5ec7e75ec7e75ec7e75ec7e75ec7e7aa",
}
"""What they are, and the string. The last three groups are of the own municipality too."""
KEY = bytes.fromhex("5ec7e75ec7e75ec7e75ec7e75ec7e7aa")
UNIT, FOREIGN_UNIT, TRACKER, FOREIGN_TRACKER = 0x2A, 0x00C0FFEE, 0x3B, 0x00C0FFEF


@dataclass
class ApiTown:
    """A running API, and what stands in its database."""

    database: FreshDatabase
    base: str
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, Any] = field(default_factory=dict)
    logged: list[str] = field(default_factory=list)

    def client(self, role: str | None) -> httpx.Client:
        """A program with the token of this role, or with none."""
        headers = {} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"}
        return httpx.Client(base_url=f"{self.base}/api/v1", headers=headers, timeout=60)

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """As the database's superuser."""
        return ask(self.database.owner_url, statement, values or None)


class _Listener(logging.Handler):
    def __init__(self, kept: list[str]) -> None:
        super().__init__()
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(self.format(record))


@contextmanager
def api_town(database: FreshDatabase, box: SecretBox | None = None) -> Iterator[ApiTown]:
    """Furnishes the database, sealed with this box or one of its own, and serves it from a thread of this process."""
    town = ApiTown(database, f"http://127.0.0.1:{free_port()}")
    box = box or SecretBox(secrets.token_bytes(32))
    with ThreadPoolExecutor(1) as apart:  # whoever drives a browser has an event loop in this thread
        apart.submit(lambda: run(_furnish(town, box))).result()
    listener = _Listener(town.logged)
    logging.getLogger().addHandler(listener)
    ready, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=_serve, args=(town, box, ready, stop), daemon=True)
    thread.start()
    try:
        assert ready.wait(30), "the API did not start"
        yield town
    finally:
        stop.set()
        thread.join(30)
        logging.getLogger().removeHandler(listener)


def _serve(town: ApiTown, box: SecretBox, ready: threading.Event, stop: threading.Event) -> None:
    async def main() -> None:
        web = make_pool(town.database.app_url, "web", size=4)
        login = make_pool(town.database.app_url, "login", size=2)
        app = make_app(web_pool=web, login_pool=login, listener_url=town.database.app_url, box=box)
        server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=int(town.base.rsplit(":", 1)[1]), log_level="warning")
        )
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        await web.open()
        await login.open()
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        ready.set()
        while not stop.is_set() and not serving.done():
            await asyncio.sleep(0.05)
        server.should_exit = True
        await serving
        await web.close()
        await login.close()

    asyncio.run(main())


async def _furnish(town: ApiTown, box: SecretBox) -> None:
    pools = {duty: make_pool(town.database.app_url, duty, size=1) for duty in ("registry", "ingest", "web", "evidence")}  # type: ignore[arg-type]
    for pool in pools.values():
        await pool.open()
    try:
        async with pools["registry"].connection() as connection:
            await _registry(connection, box)
            await _tokens(town, connection)
        async with pools["ingest"].connection() as connection:
            for place, unit in enumerate((UNIT, FOREIGN_UNIT, TRACKER, FOREIGN_TRACKER), 1):
                foreign = unit in (FOREIGN_UNIT, FOREIGN_TRACKER)
                kind = "tracker" if unit in (TRACKER, FOREIGN_TRACKER) else "social"
                made = press(unit, place, municipality=FOREIGN if foreign else OWN, unit_type=kind)
                await alarms.store_presses(connection, [made])
                rows = await (await connection.execute("SELECT max(case_id) AS case FROM cases")).fetchone()
                town.ids[f"case:{unit:08x}"] = rows["case"] if rows else None
        async with tenant_transaction(pools["web"], [OWN, FOREIGN]) as connection:
            await _people(town, connection, box)
        async with pools["evidence"].connection() as connection:
            while await chain_once(connection, datetime.now(UTC)):
                pass
    finally:
        for pool in pools.values():
            await pool.close()


async def _registry(connection: Connection, box: SecretBox) -> None:
    centre = await registry.add_centre(connection, name="Norra centralen", protocol="dc09", host="192.0.2.7", port=1)
    for number, name in ((OWN, "Björnlunda"), (FOREIGN, CANARIES["a foreign municipality"])):
        await registry.add_municipality(connection, number, name)
        await registry.route_to(connection, number, centre)
    for unit, municipality, kind in (
        (UNIT, OWN, "social"), (TRACKER, OWN, "tracker"), (0x2B, OWN, "social"), (FOREIGN_UNIT, FOREIGN, "social"),
        (FOREIGN_TRACKER, FOREIGN, "tracker"),
    ):  # fmt: skip
        await registry.add_unit(
            connection, box, unit=unit, municipality=municipality, unit_type=kind, generation=1, secret=KEY,
            fingerprint=secrets.token_bytes(32), serial="1",
        )  # fmt: skip
        await unit_life.change_life(connection, unit, "receive", "console:local", datetime.now(UTC))
    await connection.execute(
        "INSERT INTO users (municipality_id, login, display_name) VALUES (%s, %s, %s), (%s, 'egen.person', 'Egen')",
        [FOREIGN, CANARIES["a foreign login"], CANARIES["a foreign login"], OWN],
    )
    await connection.execute(
        "INSERT INTO person_roles (user_id, municipality_id, role, granted_by) "
        "SELECT user_id, municipality_id, 'operator', 'console:local' FROM users"
    )


async def _tokens(town: ApiTown, connection: Connection) -> None:
    giver = Actor("console:local", frozenset({"administrator"}), (0,), held=((0, frozenset({"administrator"})),))
    for role in ROLES:
        town.ids[f"token:{role}"], town.tokens[role] = await people.make_token(
            connection, giver, name=f"of the {role}", role=role, municipalities=[OWN], life=timedelta(days=1),
            at=datetime.now(UTC),
        )  # fmt: skip
    _, town.tokens["foreign"] = await people.make_token(
        connection, giver, name=CANARIES["a foreign receiver"], role="administrator", municipalities=[FOREIGN],
        life=timedelta(days=1), at=datetime.now(UTC),
    )  # fmt: skip


async def _people(town: ApiTown, connection: Connection, box: SecretBox) -> None:
    at = datetime.now(UTC)
    for name, municipality, reference, protected in (
        ("own", OWN, "BL-1", False), ("protected", OWN, "BL-2", True),
        ("foreign", FOREIGN, CANARIES["a foreign reference"], False),
    ):  # fmt: skip
        number = await recipients.add_recipient(
            connection, municipality=municipality, reference=reference, priority=2,
            district=CANARIES["a foreign district"] if municipality == FOREIGN else "Norr", protected=protected,
            actor="console:local", at=at,
        )  # fmt: skip
        town.ids[f"recipient:{name}"] = number
        person = {
            "own": Person("Berit Öppen", "Storgatan 1"),
            "protected": Person(CANARIES["a protected person"], CANARIES["a protected address"]),
            "foreign": Person(
                CANARIES["a foreign person"], CANARIES["a foreign address"], "nyckel", (Contact("Bo", "070"),)
            ),
        }[name]
        await recipients.seal_person(connection, box, number, person, actor="console:local", at=at)
    await connection.execute(
        "INSERT INTO webhook_subscriptions (municipality_id, url, events, made_at, made_by, next_try_at) "
        "VALUES (%s, %s, '{case.*}', %s, 'person:1', %s)",
        [FOREIGN, f"https://{CANARIES['a foreign receiver']}/", at, at],
    )
