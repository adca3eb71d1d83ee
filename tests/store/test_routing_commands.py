"""``livlina route``, ``routine`` and ``centre reconcile`` over a real database."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from fleet.alarms import store as alarms
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection
from livlina.cli import app
from tests.database import FreshDatabase
from tests.presses import press
from tests.web_server import Town

SINCE = "2026-01-01T00:00:00+01:00"
NEXT_YEAR = (datetime.now(UTC) + timedelta(days=365)).replace(microsecond=0)
DOCUMENT = f"""
[[recipient]]
name = "Guard North patrol"
channel = "sms"
address = "+46700000011"
[[role]]
name = "guard"
[[holder]]
role = "guard"
recipient = "Guard North patrol"
valid_from = {SINCE}
[[routine]]
name = "personal alarms"
unit_type = "personal"
valid_from = {SINCE}
[[routine.step]]
tell = ["primary_centre", "guard"]
next = 2
[[routine.step]]
tell = ["secondary_centre"]
limit_s = 120
"""


@pytest.fixture
def run(database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LIVLINA_DATABASE_URL", database.app_url)
    monkeypatch.setenv("LIVLINA_OWNER_DATABASE_URL", database.owner_url)
    town = Town(database.app_url)
    box = SecretBox(secrets.token_bytes(32))

    async def setup(connection: Connection) -> None:
        for number in range(1, 7):
            await registry.add_municipality(connection, number, f"M{number}")
            centre = await registry.add_centre(connection, name="A", protocol="dc09", host="127.0.0.1", port=1)
            await registry.route_to(connection, number, centre)
            for place, unit_type in enumerate(("personal", "personal", "social")):
                await registry.add_unit(
                    connection, box, unit=number * 10 + place, municipality=number, unit_type=unit_type,
                    generation=1, secret=bytes(16), fingerprint=secrets.token_bytes(32), serial="1",
                )  # fmt: skip

    town.do("registry", setup)

    def call(*words: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, [*words, "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if done.stdout else done.stderr

    call.town = town  # type: ignore[attr-defined]
    return call


def test_a_change_is_seen_before_it_is_made(run: Any, tmp_path: Path, database: FreshDatabase) -> None:
    file = tmp_path / "routines.toml"
    file.write_text(DOCUMENT)
    dry = run("routine", "set", str(file), "--dry-run")
    assert (dry["rows"], dry["units"], dry["municipalities"]) == (4, 12, 6), "every personal alarm, no social one"
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("SELECT count(*) FROM routines").fetchone() == (0,)
    assert run("routine", "set", str(file))["rows"] == 4
    assert run("routine", "set", str(file))["rows"] == 0
    change = tmp_path / "change.json"
    change.write_text(
        json.dumps(
            {
                "recipient": [{"name": "Guard South patrol", "channel": "sms", "address": "+46700000022"}],
                "holder": [{"role": "guard", "recipient": "Guard South patrol", "valid_from": NEXT_YEAR.isoformat()}],
            }
        )
    )
    dry = run("routine", "set", str(change), "--dry-run")
    assert [row["kind"] for row in dry["changes"]] == ["recipient", "holder"]
    assert dry["units"] == 12
    run("routine", "set", str(change))
    for at, guard in ((NEXT_YEAR - timedelta(seconds=1), "North"), (NEXT_YEAR, "South")):
        chain = run("route", "explain", "0000000a", "--at", at.isoformat())
        told = {who["who"]: [h["name"] for h in who["holders"]] for who in chain["steps"][0]["tell"]}
        assert told == {"primary_centre": ["A"], "guard": [f"Guard {guard} patrol"]}
    social = run("route", "explain", "0000000c")
    assert social["routine"]["name"] == "built in"
    assert [step["after_s"] for step in social["steps"]] == [0, 60, 180]


def test_what_cannot_be_done_is_said_in_one_sentence(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text("[[rutine]]\n")
    assert "rutine" in run("routine", "set", str(file), code=1)
    file.write_text('[[centre]]\nname = "A"\nreports_taken = "protocol"\n')
    assert "dc09 has no word for taken" in run("routine", "set", str(file), code=1)
    file.write_text('[[centre]]\nname = "A"\nreports_taken = "none"\n')
    assert run("routine", "set", str(file))["rows"] == 1
    assert "no unit" in run("route", "explain", "000000ff", code=1)
    assert "time zone" in run("route", "explain", "0000000a", "--at", "2027-01-01T00:00", code=1)


def test_logs_are_held_against_the_database(run: Any, tmp_path: Path) -> None:
    async def store(connection: Connection) -> None:
        await alarms.store_presses(connection, [press(10, 1), press(11, 1)])

    run.town.do("ingest", store)
    log = tmp_path / "a.jsonl"
    lines = [
        {"reference": "0000000a-1-1", "duplicate": False},
        {"reference": "0000000a-1-1", "duplicate": True},
        {"kind": "alarm", "alarm": {"correlation": {"reference": "0000000b-1-1"}}},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    found = run("centre", "reconcile", "--log", f"A={log}", "--since", since, "--until", until)
    assert (found["presses"], found["agrees"]) == (2, True)
    log.write_text("0000000a-1-1\n")
    found = run("centre", "reconcile", "--log", f"A={log}", "--since", since, "--until", until, code=1)
    assert found["lost"] == ["0000000b-1-1"]
