"""The command `livlina scenario`: what it accepts, and that its verdict and its exit status agree."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from livlina.scenario import print_verdict, read_numbers
from sim.scenarios import scenario as framework
from sim.scenarios.scenario import Check, Options, Scenario


async def _flip(options: Options) -> list[Check]:
    measured = options.numbers["sides"] if options.sabotage is None else 0
    return [Check("sides", measured, 2, measured >= 2), Check("units", options.units, "any", True)]


SCENARIO = Scenario("T1", "a coin", 3, _flip, {"melt": "the coin has no sides"}, {"sides": 2},
                    bounds={"sides": (1, 6)}, least=2)  # fmt: skip


@pytest.fixture(autouse=True)
def only_the_coin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework, "PLACES", {"T1": __name__})


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["scenario", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_it_prints_one_document_and_passes() -> None:
    status, out, _ = _run("t1", "--json", "--units", "7", "--seed", "5")
    document = json.loads(out)
    assert status == 0
    assert (document["scenario"], document["seed"], document["units"], document["passed"]) == ("T1", 5, 7, True)
    assert document["checks"][0] == {"name": "sides", "value": 2, "limit": 2, "ok": True}


def test_a_sabotage_makes_it_fail() -> None:
    status, out, _ = _run("T1", "--json", "--sabotage", "melt")
    assert status == 1
    assert json.loads(out)["passed"] is False


def test_sabotages_are_listed() -> None:
    status, out, _ = _run("T1", "--sabotage", "list", "--json")
    assert status == 0
    assert json.loads(out)["sabotages"] == {"melt": "the coin has no sides"}


def test_its_numbers_can_be_set() -> None:
    assert _run("T1", "--set", "sides=3")[0] == 0
    assert _run("T1", "--set", "sides=1")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("Z9",), "there are: T1"),
        (("T1", "--sabotage", "saw"), "there are: melt"),
        (("T1", "--set", "edges=3"), "there are: sides"),
        (("T1", "--set", "sides"), "NAME=NUMBER"),
        (("T1", "--set", "sides=7"), "sides of scenario T1 is 1 to 6, 7 is not"),
        (("T1", "--units", "1"), "needs at least 2 units"),
        (("T1", "--firmware"), "no part for real firmware"),
    ],
)
def test_what_it_does_not_know_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    status, out, err = _run(*arguments)
    assert status == 1
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err


def test_a_scenario_that_checked_nothing_has_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(options: Options) -> list[Check]:
        return []

    monkeypatch.setitem(globals(), "SCENARIO", Scenario("T1", "nothing", 1, nothing, {"melt": "nothing"}))
    assert _run("T1", "--json")[0] == 1


def test_a_scenario_without_a_sabotage_is_refused() -> None:
    with pytest.raises(ValueError, match="no sabotage"):
        Scenario("T2", "blind", 1, _flip, {})


def test_numbers_are_read_exactly() -> None:
    assert read_numbers(["a=1", "b_2=-0.25"]) == {"a": 1.0, "b_2": -0.25}


def test_in_a_pipe_each_check_is_one_line_however_long_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    name = "pressed again in an open case of the secondary after that: " * 3
    checks = [{"name": name.strip(), "value": "4 of 4, 2 after the fail-back", "limit": "all", "ok": True}]
    print_verdict({"checks": checks, "passed": True, "seconds": 1})
    [line] = [line for line in capsys.readouterr().out.splitlines() if "PASS " in line]
    assert line.split()[0] == "PASS" and name.strip() in line and "fail-back" in line
