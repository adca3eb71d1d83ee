"""A home in which a unit is paired, for tests of pages: the server's watch and the unit are driven by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from fleet.alarms import store as alarms
from fleet.alarms.model import Press
from fleet.ingest.drill_orders import order_test
from fleet.pairing import store
from fleet.registry import recipients, units
from fleet.registry.reference import check_digits
from fleet.store.pool import Connection
from tests.web_server import Scene

UNIT, REFERENCE = 0x2A, "K-104233"
DIGITS = check_digits(1, REFERENCE)


class Hall:
    """A home: a unit in stock with a pendant, a recipient by reference, and the server's watch, driven by hand."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        scene.town.unit(UNIT, 1)
        scene.town.person("hemtjanst", ("care_assistant", 1))
        scene.town.do("registry", self._furnish)
        centre = scene.sql("INSERT INTO centres (municipality_id, name, protocol, host, port) "
                           "VALUES (0, 'A', 'dc09', '127.0.0.1', 1) RETURNING centre_id")  # fmt: skip
        self.centre = centre[0][0]

    async def _furnish(self, connection: Connection) -> None:
        at = datetime.now(UTC)
        await units.describe(connection, UNIT, inputs=[units.Input(0, "own"), units.Input(1, "pendant")])
        await units.change_life(connection, UNIT, "receive", "person:9", at)
        await recipients.add_recipient(
            connection, municipality=1, reference=REFERENCE, priority=2, district="Norr", actor="person:9", at=at
        )

    def settle(self) -> None:
        """One look of the server's watch at every open pairing."""

        async def act(connection: Connection) -> None:
            at = datetime.now(UTC)
            due, _ = await store.look(connection, at)
            for pairing in due:
                await store.settle(connection, pairing, order_test, at)

        self.scene.town.do("registry", act)

    def take_orders(self) -> tuple[int, int]:
        """The unit says that its window is open; returns unit and button of the newest order."""
        self.scene.sql("UPDATE unit_commands SET answered_at = now(), result = 0 WHERE answered_at IS NULL")
        self.settle()
        rows = self.scene.sql("SELECT unit_id, args FROM unit_commands ORDER BY queued_at DESC, number DESC LIMIT 1")
        return rows[0][0], 0 if rows[0][1] is None else bytes(rows[0][1])[-1]

    def press(self, unit: int, button: int) -> None:
        """A test press that the centre has answered."""
        made: Press = self.scene.town.make_press(unit, 1, kind=9, input=button, flags=2)

        async def keep(connection: Connection) -> None:
            await alarms.store_presses(connection, [made])

        self.scene.town.do("ingest", keep)
        self.scene.sql(
            "INSERT INTO button_proofs (unit_id, boot, seq, municipality_id, input, bearer, at, centre_id) "
            "VALUES (%s, %s, %s, 1, %s, 3, now(), %s)", *made.key, button, self.centre,
        )  # fmt: skip
        self.settle()

    def life(self) -> str:
        return str(self.scene.sql("SELECT life FROM units WHERE unit_id = %s", UNIT)[0][0])
