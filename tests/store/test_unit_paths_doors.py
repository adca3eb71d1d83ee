"""From a datagram to a verdict: a unit's frames through the front door, and what-if as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from livlina.cli import app
from protocols.wire import messages
from tests.database import FreshDatabase
from tests.fleet_server import CoapUnit, Scene, alarm, heartbeat, run, served

TELIA, TRE, LTE = 24001, 24002, 3
SIM1, SIM2 = messages.BEARER_SIM1, messages.BEARER_SIM2


def typed(database: FreshDatabase, folder: Path, *words: str) -> Any:
    environment = {
        "LIVLINA_DATABASE_URL": database.app_url, "LIVLINA_OWNER_DATABASE_URL": database.owner_url,
        "LIVLINA_DATA": str(folder / "data"),
    }  # fmt: skip
    return CliRunner().invoke(app, list(words), env=environment)


def test_a_unit_that_exercises_its_spare_sim_survives_as_typed(database: FreshDatabase, tmp_path: Path) -> None:
    async def talk() -> None:
        async with served(database, tmp_path) as scene:
            await say(scene)
            scene.change("UPDATE units SET life = 'active', grounds = 'test:1' WHERE unit_id = 1")

    async def say(scene: Scene) -> None:
        door = await CoapUnit.open(scene)
        said = [
            heartbeat(1, bearer=SIM2, operator=TRE, radio=LTE, status={messages.STATUS_CELL: 77}),
            messages.Event(boot=1, seq=2, kind=messages.EVENT_SIM_PROVEN, data={1: 1, 2: 1}),
            heartbeat(3, bearer=SIM1, operator=TELIA, radio=LTE),
            messages.Event(boot=1, seq=4, kind=messages.EVENT_SIM_PROVEN, data={1: 0, 2: 0}),
        ]
        for message in said:
            await door.ask(scene.unit.seal(message))
        paths = "SELECT slot, operator, cell, proof FROM unit_paths ORDER BY slot"
        assert scene.rows(paths) == [(1, TELIA, None, None), (2, TRE, 77, "own:1/2")]
        await door.ask(scene.unit.seal(alarm(5, bearer=SIM1, kind=9)))
        await scene.until(lambda: scene.rows(paths)[0][3] == "alarm:1/5", "the test proves the way that it came on")
        door.close()

    run(talk())
    result = typed(database, tmp_path, "fleet", "what-if", "--operator", "Telia", "down", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["counts"] == {"units": 1, "unaffected": 0, "survives": 1, "doubtful": 0, "lost": 0, "unknown": 0}
    assert found["units"][0]["left"]["network"] == "Tre"
    table = typed(database, tmp_path, "fleet", "what-if", "--network", "Tre", "down")
    assert table.exit_code == 0
    assert "unaffected       1" in table.stdout
    drill = typed(database, tmp_path, "fleet", "path-drill", "--operator", "24001", "down", "--json")
    assert json.loads(drill.stdout)["units"] == ["00000001"]
    assert typed(database, tmp_path, "fleet", "path-drill-result", "1").exit_code == 1, "nothing is shown yet"


def test_what_cannot_be_judged_is_one_sentence(database: FreshDatabase, tmp_path: Path) -> None:
    for words in (["--operator", "Nobody"], ["--network", "Nobody"], ["--issuer", "Nobody"]):
        result = typed(database, tmp_path, "fleet", "what-if", *words, "down")
        assert result.exit_code == 1
        assert "is known" in result.stderr
    assert typed(database, tmp_path, "fleet", "what-if", "down").exit_code == 2
    assert typed(database, tmp_path, "fleet", "what-if", "--operator", "24001", "--issuer", "A", "down").exit_code == 2


def test_a_sim_is_put_listed_and_refused_as_typed(database: FreshDatabase, tmp_path: Path) -> None:
    assert typed(database, tmp_path, "municipality", "add", "1480", "Town").exit_code == 0
    good = "89883030000080139311"
    put = typed(database, tmp_path, "sim", "put", "1480", good, "--issuer", "Acme", "--json")
    assert json.loads(put.stdout) == {"iccid": good}
    listed = typed(database, tmp_path, "sim", "list", "--json")
    assert [one["iccid"] for one in json.loads(listed.stdout)["sims"]] == [good]
    wrong = typed(database, tmp_path, "sim", "put", "1480", good[:-1] + "2")
    assert wrong.exit_code == 1
    assert "last digit" in wrong.stderr
    asked = typed(database, tmp_path, "sim", "ask", "activate", good, "--key", "k")
    assert asked.exit_code == 1
    assert "no provider" in asked.stderr
