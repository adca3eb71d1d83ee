"""`livlina evidence` on a real installation: sound, then not, with the place; reports as files; rules that prune."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from fleet.store.embedded_postgres import EmbeddedPostgres
from livlina.cli import app
from tests.database import FreshDatabase, fresh_database
from tests.evidence_house import evidence_house
from tests.fleet_server import run

Invoke = CliRunner()


@pytest.fixture
def installation(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FreshDatabase]:
    """A data folder with the key and the heads of a small past, and its database."""
    data = tmp_path / "data"
    (data / "keys").mkdir(parents=True)
    monkeypatch.setenv("LIVLINA_DATA", str(data))
    with fresh_database(postgres) as database:
        monkeypatch.setenv("LIVLINA_DATABASE_URL", database.app_url)
        monkeypatch.setenv("LIVLINA_OWNER_DATABASE_URL", database.owner_url)

        async def past() -> None:
            async with evidence_house(database, data / "keys") as house:
                await house.past(4)
                (data / "evidence").mkdir()
                house.heads_file.rename(data / "evidence" / "heads.jsonl")

        run(past())
        for name in (".key", ".pub"):
            (data / "keys" / f"signing{name}").rename(data / "keys" / f"evidence-signing{name}")
        yield database


def test_verify_says_sound_and_then_where_it_is_not(installation: FreshDatabase, tmp_path: Path) -> None:
    sound = Invoke.invoke(app, ["evidence", "verify"])
    assert sound.exit_code == 0 and "sound:" in sound.output, sound.output
    with psycopg.connect(installation.owner_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = 'replica'")
        owner.execute("UPDATE case_log SET actor = 'operator 8' WHERE position = 2")
        owner.execute("DELETE FROM audit_chain WHERE position > 20")
    found = Invoke.invoke(app, ["evidence", "verify", "--json"])
    assert found.exit_code == 1
    document = json.loads(found.output)
    kinds = {finding["kind"] for finding in document["findings"]}
    assert {"edited", "truncated"} <= kinds and not document["ok"]
    assert any(one["source"] == "case_log" and one["key"] == "2" for one in document["findings"])
    # Heads that somebody else kept are read as well; a file that is none is said to be none.
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes((tmp_path / "data" / "evidence" / "heads.jsonl").read_bytes())
    assert Invoke.invoke(app, ["evidence", "verify", "--heads", str(kept)]).exit_code == 1
    kept.write_text("nothing\n")
    odd = Invoke.invoke(app, ["evidence", "verify", "--heads", str(kept)])
    assert odd.exit_code == 1 and "no signed head" in odd.output and "Traceback" not in odd.output


def test_a_key_of_somebody_else_vouches_for_nothing(installation: FreshDatabase, tmp_path: Path) -> None:
    other = tmp_path / "other.pub"
    other.write_text("11" * 32 + "\n")
    found = Invoke.invoke(app, ["evidence", "verify", "--public-key", str(other), "--json"])
    assert found.exit_code == 1
    assert {finding["kind"] for finding in json.loads(found.output)["findings"]} == {"head_forged"}


def test_reports_are_written_as_files(installation: FreshDatabase, tmp_path: Path) -> None:
    out = tmp_path / "reports"
    month = Invoke.invoke(app, ["evidence", "month", "--municipality", "1", "--month", "2026-03", "--out", str(out)])
    assert month.exit_code == 0, month.output
    assert {file.name for file in out.iterdir()} == {
        "1-2026-03.json", "1-2026-03.csv", "1-2026-03.sv.pdf", "1-2026-03.en.pdf"
    }  # fmt: skip
    assert json.loads((out / "1-2026-03.json").read_text())["alarms"]["cases"] == 4
    case = Invoke.invoke(app, ["evidence", "case", "1", "--json"])
    assert case.exit_code == 0 and json.loads(case.output)["held"][-1]["who"] == "operator 7"
    unknown, odd = ["--municipality", "9", "--month", "2026-03"], ["--municipality", "1", "--month", "x"]
    for wrong in (["month", *unknown], ["month", *odd], ["case", "999"]):
        found = Invoke.invoke(app, ["evidence", *wrong])
        assert found.exit_code == 1 and "Traceback" not in found.output


def test_rules_prune_and_the_rest_stays_sound(installation: FreshDatabase, tmp_path: Path) -> None:
    rules = tmp_path / "retention.toml"
    rules.write_text('[days]\naudit = 1\ncase_log = 1\nunit_event = 1\nreadings = "for ever"\nchain = 1\n')
    pruned = Invoke.invoke(app, ["evidence", "prune", "--rules", str(rules), "--json"])
    assert pruned.exit_code == 0, pruned.output
    gone = json.loads(pruned.output)["pruned"]
    assert gone["audit"] == 8 and gone["case_log"] == 12 and gone["chain"] > 20
    assert Invoke.invoke(app, ["evidence", "verify"]).exit_code == 0
    rules.write_text("[days]\nforever = 1\n")
    assert Invoke.invoke(app, ["evidence", "prune", "--rules", str(rules)]).exit_code == 1
