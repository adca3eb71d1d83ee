"""A station's fleet on a real PostgreSQL: whom it takes, whom it refuses, and what taking back ends."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from typer.testing import CliRunner

from fleet.registry import store as registry
from fleet.registry import units
from fleet.registry.secret_box import SecretBox
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.cli import app
from livlina.provision_fleet import RegistryFleet
from livlina.unit_life import revoke_units_of, tell_makers
from protocols.wire.messages import COMMAND_DRILL, COMMAND_STATUS
from provisioning.ca import CertificateAuthority
from provisioning.identity import make_identity
from provisioning.issuing import IssuerBook, StationCredential
from provisioning.ledger import Ledger, LedgerError, verified
from provisioning.plan import BoardKind, Order
from provisioning.run import RunError
from provisioning.station import Made
from tests.database import FreshDatabase, do

PRODUCTION = Order("O-1", 5, 1, "social", True, 300, ("coap",), (("127.0.0.1", 5683),))
DEVELOPMENT = Order("O-2", 5, 1, "social", False, 300, ("coap",), (("127.0.0.1", 5683),))
KIND = BoardKind("virtual", "esp32s3", 4 << 20, 0, True)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NOWHERE = Order("O-3", 1, 99, "social", True, 300, ("coap",), (("127.0.0.1", 5683),))


@pytest.fixture(autouse=True)
def municipality(database: FreshDatabase) -> None:
    async def add(connection: Connection) -> None:
        await registry.add_municipality(connection, 1, "One")

    do(database, add, "registry")


@pytest.fixture(autouse=True)
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CertificateAuthority:
    monkeypatch.chdir(tmp_path)
    return CertificateAuthority.open(Path("ca"))


def fleet(database: FreshDatabase, *, production: bool = False) -> RegistryFleet:
    return RegistryFleet(
        database.app_url, SecretBox(bytes(32)), "virtual board", production=production, issuers=IssuerBook(Path("ca"))
    )


@pytest.fixture
def made(authority: CertificateAuthority) -> Made:
    return Made(make_identity(7), authority.issue_unit(7))


def state(database: FreshDatabase, unit: int) -> tuple[str, str, str | None, bool]:
    """state, life, board, whether a certificate still counts."""
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute(
            "SELECT u.state, u.life, u.board, bool_or(c.revoked_at IS NULL) FROM units u "
            "JOIN unit_certificates c USING (unit_id) WHERE u.unit_id = %s GROUP BY 1, 2, 3",
            [unit],
        ).fetchone()
    assert row is not None
    return row[0], row[1], row[2], row[3]


def test_a_unit_is_known_once_however_often_it_is_told(database: FreshDatabase, made: Made) -> None:
    for _ in range(2):
        fleet(database).register(7, made, PRODUCTION)
    assert fleet(database).known() == {7}
    assert state(database, 7) == ("active", "made", "virtual board", True)


def test_another_identity_of_the_same_number_is_refused(
    database: FreshDatabase, made: Made, authority: CertificateAuthority
) -> None:
    fleet(database).register(7, made, PRODUCTION)
    other = Made(make_identity(7), authority.issue_unit(7))
    with pytest.raises(RunError, match="range of its own"):
        fleet(database).register(7, other, PRODUCTION)


def test_a_fleet_that_people_rely_on_takes_no_development_board(database: FreshDatabase, made: Made) -> None:
    with pytest.raises(RunError, match="development boards"):
        fleet(database, production=True).register(7, made, DEVELOPMENT)
    assert fleet(database).known() == set()
    fleet(database).register(7, made, DEVELOPMENT)  # Another fleet takes it.
    assert fleet(database).known() == {7}


def test_a_station_makes_units_while_its_credential_counts(
    database: FreshDatabase, authority: CertificateAuthority, tmp_path: Path
) -> None:
    book, now = IssuerBook(Path("ca")), datetime.now(UTC)
    file = tmp_path / "station.pem"
    file.touch(mode=0o600)
    file.write_bytes(authority.issue_issuer("bench-1", now - timedelta(hours=1), now + timedelta(days=7)))
    station = StationCredential(file, lambda: now)
    seven, eight = (Made(make_identity(unit), station.issue_unit(unit)) for unit in (7, 8))
    with pytest.raises(RunError, match="no station that this fleet knows"):
        fleet(database).register(7, seven, PRODUCTION)
    book.accept(station.certificate)
    fleet(database).register(7, seven, PRODUCTION)
    book.revoke("bench-1", "the machine was stolen")
    with pytest.raises(RunError, match="was revoked"):
        fleet(database).register(8, eight, PRODUCTION)
    assert fleet(database).known() == {7}  # What it made before goes on.
    # Unless it is ended, too; the root's own unit is none of that station's.
    fleet(database).register(9, Made(make_identity(9), authority.issue_unit(9)), PRODUCTION)
    here = Settings(data=tmp_path / "data", database_url=database.app_url, owner_url=database.owner_url)
    assert revoke_units_of(here, "bench-2") == []
    assert revoke_units_of(here, "bench-1") == ["00000007"]
    assert revoke_units_of(here, "bench-1") == []
    assert fleet(database).known() == {9}


def test_an_unknown_municipality_is_told(database: FreshDatabase, made: Made) -> None:
    with pytest.raises(RunError, match="municipality 99 is unknown"):
        fleet(database).register(7, made, NOWHERE)


def test_what_is_taken_back_is_revoked_and_again_changes_nothing(database: FreshDatabase, made: Made) -> None:
    fleet(database).register(7, made, PRODUCTION)
    for _ in range(2):
        fleet(database).withdraw(7)
    fleet(database).withdraw(8)
    assert fleet(database).known() == set()
    assert state(database, 7) == ("revoked", "retired", "virtual board", False)


def test_a_unit_that_somebody_relies_on_is_not_taken_back(database: FreshDatabase, made: Made) -> None:
    fleet(database).register(7, made, PRODUCTION)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("UPDATE units SET life = 'active', grounds = 'by_hand' WHERE unit_id = 7")
    with pytest.raises(RunError, match="cannot end now"):
        fleet(database).withdraw(7)
    assert fleet(database).known() == {7}


def test_a_unit_that_was_not_heard_is_not_heard(database: FreshDatabase, made: Made) -> None:
    fleet(database).register(7, made, PRODUCTION)
    assert fleet(database).heard(7, 0) is None


def commands(database: FreshDatabase) -> list[int]:
    with psycopg.connect(database.owner_url) as connection:
        return [row[0] for row in connection.execute("SELECT kind FROM unit_commands ORDER BY number")]


def do_as_owner(database: FreshDatabase, statement: LiteralString) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(statement)


def test_a_self_test_is_the_buttons_press_and_what_the_unit_says(database: FreshDatabase, made: Made) -> None:
    asked: list[str] = []
    here = fleet(database)
    here.register(7, made, PRODUCTION)
    for _ in range(2):
        here.order_test(7, LONG_AGO)
    assert commands(database) == [COMMAND_STATUS, COMMAND_DRILL]
    with pytest.raises(RunError, match="has not taken the order"):
        here.tested(7, KIND, lambda: asked.append("press"), LONG_AGO, 0)
    assert asked == []  # A press now would be a real alarm.
    do_as_owner(database, "UPDATE unit_commands SET answered_at = now(), result = 0")
    with pytest.raises(RunError, match="no press"):
        here.tested(7, KIND, lambda: asked.append("press"), LONG_AGO, 0)
    assert asked == ["press"]
    do_as_owner(
        database,
        "INSERT INTO centres (municipality_id, name, protocol, host, port) VALUES (0, 'C', 'dc09', '127.0.0.1', 1)",
    )

    def press() -> None:
        do_as_owner(
            database,
            "INSERT INTO button_proofs (unit_id, boot, seq, municipality_id, input, at, centre_id) "
            "SELECT 7, 1, (SELECT count(*) FROM button_proofs), 1, 0, now(), centre_id FROM centres",
        )

    do_as_owner(
        database,
        "INSERT INTO unit_states (unit_id, municipality_id, seen_at, battery, imei, iccid1) "
        "VALUES (7, 1, now(), 90, '860123456789012', '89460000000000000017')",
    )
    with pytest.raises(RunError, match="told 1 of 2 SIM cards"):
        here.tested(7, replace(KIND, sims=2), press, LONG_AGO, 0)
    with pytest.raises(RunError, match="no press"):  # An earlier try's press proves nothing of this one.
        here.tested(7, replace(KIND, sims=1), lambda: None, LONG_AGO, 0)
    shown = here.tested(7, replace(KIND, sims=1), press, LONG_AGO, 0)
    assert (shown["button"], shown["battery"], shown["iccids"]) == ("proven", 90, ["89460000000000000017"])
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("SELECT slot, iccid FROM unit_sims").fetchall() == [(1, "89460000000000000017")]


def test_a_unit_that_takes_no_press_tells_its_status_and_no_more(database: FreshDatabase, made: Made) -> None:
    here = fleet(database)
    here.register(7, made, PRODUCTION)
    for _ in range(2):
        here.order_test(7, LONG_AGO, button=False)
    assert commands(database) == [COMMAND_STATUS]
    with pytest.raises(RunError, match="has not taken the order"):
        here.tested(7, KIND, None, LONG_AGO, 0)
    do_as_owner(
        database,
        "UPDATE unit_commands SET answered_at = now(), result = 0;"
        "INSERT INTO unit_states (unit_id, municipality_id, seen_at, battery) VALUES (7, 1, now(), 90)",
    )
    assert here.tested(7, replace(KIND, sims=0), None, LONG_AGO, 0) == {
        "button": "none",
        "battery": 90,
        "signal": None,
        "imei": None,
        "iccids": [],
    }
    assert commands(database) == [COMMAND_STATUS]


def test_an_order_for_a_test_whose_window_is_over_is_given_again(database: FreshDatabase, made: Made) -> None:
    here = fleet(database)
    here.register(7, made, PRODUCTION)
    here.order_test(7, LONG_AGO)
    do_as_owner(database, "UPDATE unit_commands SET answered_at = now() - interval '3 minutes', result = 0")
    here.order_test(7, LONG_AGO)
    assert commands(database) == [COMMAND_STATUS, COMMAND_DRILL] * 2


def test_an_order_for_a_test_is_void_once_a_tool_has_reset_the_board(database: FreshDatabase, made: Made) -> None:
    here = fleet(database)
    here.register(7, made, PRODUCTION)
    here.order_test(7, LONG_AGO)
    do_as_owner(database, "UPDATE unit_commands SET answered_at = now(), result = 0")
    here.order_test(7, LONG_AGO)
    assert len(commands(database)) == 2
    here.order_test(7, datetime.now(UTC) + timedelta(seconds=1))
    assert len(commands(database)) == 4


def test_life_of_an_unknown_unit_is_nothing(database: FreshDatabase) -> None:
    async def ask(connection: Connection) -> str | None:
        return await units.life_of(connection, 7)

    assert do(database, ask, "registry") is None


def test_stations_that_race_for_an_order_make_no_more_than_was_ordered(
    database: FreshDatabase, authority: CertificateAuthority
) -> None:
    numbers = range(100, 112)
    made = {unit: Made(make_identity(unit), authority.issue_unit(unit)) for unit in numbers}
    ready = threading.Barrier(len(numbers))
    stations = (fleet(database), fleet(database))

    def register(unit: int, order: Order) -> str:
        ready.wait(60)
        try:
            stations[unit % 2].register(unit, made[unit], order)
        except RunError as error:
            assert error.fault == "full" and "order O-5 is of 3 boards" in str(error)
            return "full"
        return "made"

    with ThreadPoolExecutor(len(numbers)) as pool:
        found = list(pool.map(lambda unit: register(unit, replace(PRODUCTION, number="O-5", quantity=3)), numbers))
    assert Counter(found) == {"made": 3, "full": 9}
    known = fleet(database).known()
    assert len(known) == 3
    three = replace(PRODUCTION, number="O-5", quantity=3)
    for unit in known:
        stations[0].register(unit, made[unit], three)  # Said again is not made again.
    # Another order is another count; one that is taken back makes room; and the control: more ordered, more made.
    left = [unit for unit in numbers if unit not in known]
    stations[0].register(left[0], made[left[0]], PRODUCTION)
    stations[1].withdraw(min(known))
    stations[0].register(left[1], made[left[1]], three)
    with pytest.raises(RunError, match="of another"):
        stations[1].register(left[2], made[left[2]], three)
    stations[1].register(left[2], made[left[2]], replace(three, quantity=4))


def test_a_ledger_tells_the_registry_whom_a_station_has_made(
    database: FreshDatabase, authority: CertificateAuthority, tmp_path: Path
) -> None:
    """Units of before 0027 have no station in the registry: the station's signed ledger has them."""
    ledger = Ledger(tmp_path / "ledger")
    for unit in (7, 8, 9):
        made = Made(make_identity(unit), authority.issue_unit(unit))
        fleet(database).register(unit, made, PRODUCTION)
        mac = f"02:00:00:00:00:{unit:02x}"
        named = {"sha256": made.certificate.fingerprint_sha256.hex(), "station": "bench-2"}
        if unit < 9:
            ledger.append("provisioned", unit, mac, {"order": "O-1"}, LONG_AGO)  # As rows of before are.
        else:
            ledger.append("provisioned", unit, mac, {"order": "O-1", "certificate": named}, LONG_AGO)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("UPDATE units SET order_number = NULL")
    here = Settings(data=tmp_path / "data", database_url=database.app_url, owner_url=database.owner_url)
    assert revoke_units_of(here, "bench-1") == []  # The gap.
    rows = verified(ledger.export(), ledger.public_key)
    assert tell_makers(here, "bench-1", rows) == (["00000007", "00000008"], ["00000007", "00000008"])
    assert tell_makers(here, "bench-1", rows) == ([], [])
    assert revoke_units_of(here, "bench-1") == ["00000007", "00000008"]
    assert tell_makers(here, "bench-2", rows[2:]) == (["00000009"], ["00000009"])
    place, key = tmp_path / "export.jsonl", str(tmp_path / "ledger" / "ledger.pub")
    place.write_bytes(ledger.export())
    words = ["ca", "units", "bench-1", "--ledger", str(place), "--key", key, "--json"]
    env = {"LIVLINA_DATABASE_URL": database.app_url, "LIVLINA_OWNER_DATABASE_URL": database.owner_url}
    said = CliRunner().invoke(app, words, env=env)
    assert json.loads(said.output) == {"station": "bench-1", "lines": 3, "units": [], "orders_told": 0}
    # The negative control: a line that somebody has put in is none of the station's.
    place.write_bytes(ledger.export().replace(b'"unit": 9', b'"unit": 6'))
    assert "line 3 of the ledger" in CliRunner().invoke(app, words, env=env).output
    with pytest.raises(LedgerError):
        verified(ledger.export().replace(b'"unit": 9', b'"unit": 6'), ledger.public_key)
