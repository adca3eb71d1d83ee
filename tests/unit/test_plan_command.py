"""``livlina plan sunset``: a file of units, a made fleet, what if; what is wrong is said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from livlina.cli import app

RUN = CliRunner()
A2 = ("--sample", "2000", "--start", "2026-10-01", "--installers", "1", "--per-day", "7")


def planned(*words: str) -> dict[str, Any]:
    done = RUN.invoke(app, ["plan", "sunset", *words, "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_made_fleet_is_judged_as_it_truly_is() -> None:
    found = planned(*A2, "--seed", "7")
    classes = {name: number for name, number in found["classes"].items() if number}
    assert classes == {name: number for name, number in found["truth"].items() if name != "seed"}
    assert found["shortage"]["sentence"] == "126 short, 1.3 installers needed or finish day 80"
    assert found["costs"]["break_even_years"] == 1.79
    assert found["model_list"]["would_be_missed"] > 0
    assert "work_list" not in found


def test_a_moved_date_is_a_change_with_an_actor_and_another_plan() -> None:
    found = planned(*A2, "--move", "telia:2g:2027-12-31", "--work-list")
    assert found["shortage"]["short"] == 0 and found["person_visits"] == 0
    assert found["changes"][-1]["actor"].startswith("console:")
    assert len(found["work_list"]) == found["visits"] == 560
    assert len(found["doomed_units"]) == found["doomed"] == 800


def written(folder: Path, **document: Any) -> str:
    file = folder / "units.json"
    file.write_text(json.dumps(document))
    return str(file)


UNIT = {
    "number": 5, "type": "personal", "district": "A", "modem_says": ["2g"],
    "seen": [{"slot": 1, "operator": 24001, "technology": "gsm", "last_seen": "2026-09-30"}],
}  # fmt: skip


def test_a_file_of_units_with_an_operator_as_on_the_air(tmp_path: Path) -> None:
    found = planned("--units-file", written(tmp_path, units=[UNIT]), "--start", "2026-10-01", "--work-list")
    assert found["work_list"][0]["unit"] == 5 and found["deadlines"][0]["deadline"] == "2027-12-31"
    row = {"operator": "telia", "technology": "gsm", "region": "SE", "last_day": "2026-10-30", "source": "a letter"}
    found = planned("--units-file", written(tmp_path, units=[UNIT], calendar=[row]), "--start", "2026-10-01")
    assert found["deadlines"][0]["deadline"] == "2026-10-30"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, '"units"'),
        ({"units": [{"number": 0}]}, "number is a whole number"),
        ({"units": [{"number": 1, "model": "X"}]}, "is no field"),
        ({"units": [{"number": 1}, {"number": 1}]}, "twice"),
        ({"units": [{"number": 1, "type": "radio"}]}, "type is one of"),
        ({"units": [{"number": 1, "active": "yes"}]}, "true or false"),
        ({"units": [{"number": 1, "seen": [{"slot": 1}]}]}, "is missing"),
        ({"units": [{**UNIT, "modem_says": ["6g"]}]}, "is no technology"),
        ({"units": [{**UNIT, "seen": [{**UNIT["seen"][0], "last_seen": "soon"}]}]}, "is no date"),
        ({"units": [], "calendar": [{"operator": "telia"}]}, "is missing"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(document: dict[str, Any], said: str, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["plan", "sunset", "--units-file", written(tmp_path, **document)])
    assert done.exit_code == 1 and said in done.output and "Traceback" not in done.output


@pytest.mark.parametrize("words", [(), ("--sample", "20", "--database"), ("--sample", "20", "--move", "x"),
                                   ("--sample", "20", "--start", "monday")])  # fmt: skip
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...]) -> None:
    done = RUN.invoke(app, ["plan", "sunset", *words])
    assert done.exit_code == 1 and "Traceback" not in done.output


def test_a_page_for_a_person() -> None:
    done = RUN.invoke(app, ["plan", "sunset", *A2])
    assert done.exit_code == 0
    assert "126 short" in done.stdout and "waves:" in done.stdout and "break-even after 1.79" in done.stdout
