"""`livlina provision ledger`: a ledger is verified and exported, and an export that was changed is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from provisioning.ledger import Ledger

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def station(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path / "station" / "ledger")
    ledger.append("provisioned", 7, "02:00:00:00:00:07", {"order": "O-1"}, AT)
    ledger.append("returned", 7, "02:00:00:00:00:07", {"why": "the button sticks"}, AT)
    return tmp_path / "station"


def ledger(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["provision", "ledger", *(str(word) for word in words)])
    return done.exit_code, done.output


def test_a_ledger_goes_out_and_is_verified_elsewhere(station: Path, tmp_path: Path) -> None:
    out, key = tmp_path / "export.jsonl", station / "ledger" / "ledger.pub"
    status, said = ledger("--station", station, "--export", out, "--json")
    assert status == 0
    assert json.loads(said) == {"lines": 2, "last": AT.isoformat(), "provisioned": 1, "returned": 1}
    assert ledger("--file", out, "--key", key)[0] == 0
    out.write_bytes(out.read_bytes().replace(b"the button sticks", b"the button worked"))
    status, said = ledger("--file", out, "--key", key)
    assert status == 1 and "line 2 of the ledger" in said


def test_a_key_that_is_none_is_told(station: Path) -> None:
    status, said = ledger("--file", station / "ledger" / "ledger.jsonl", "--key", station / "ledger" / "ledger.jsonl")
    assert status == 1 and "no station's public key" in said


@pytest.mark.parametrize("words", [(), ("--export", "x")])
def test_what_is_to_be_verified_must_be_named(words: tuple[str, ...]) -> None:
    status, said = ledger(*words)
    assert status == 1 and "name a station" in said


def test_a_board_is_closed_by_somebody_who_says_that_it_is_for_good(station: Path) -> None:
    words = ["close", "--port", "/dev/none", "--station", str(station), "--why", "goes out"]
    done = CliRunner().invoke(app, ["provision", *words])
    assert done.exit_code == 1 and "cannot be undone" in done.output
    assert [row.kind for row in Ledger(station / "ledger").rows()] == ["provisioned", "returned"]
