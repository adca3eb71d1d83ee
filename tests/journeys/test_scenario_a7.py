"""`livlina scenario A7` at reduced size: it passes, and a sabotage is noticed by the check that names it.

The other sabotages and the size that the scenario stands for are in `make proof`.
"""

from __future__ import annotations

from functools import partial

import pytest

from fleet.ingest import commands, notices, paths_seen, presses, readings
from fleet.pairing import decide
from sim.scenarios.a7_replacement import IN_FIRMWARE
from sim.scenarios.a7_sabotage import SABOTAGES, applied
from tests.scenario_verdict import each_sabotage, failed, run_scenario

SMALL = ("--units", "3", "--set", "frames=50")
WITHOUT_A_WHOLE_UNIT = (*SMALL, "--set", "whole=0")
"""Real firmware behind a modem takes its time: it is in `make proof`."""

NOTICED = {
    "no-counter-check": "jammed frames refused for their counter",
    "no-restore-check": "of these without the mark",
    "no-challenge": "of these left open once the unit has denied them",
    "no-verdict": "of these left open once the unit has denied them",
    "no-revocation": "presses of a clone taken after revocation",
    "no-key-end": "frames under the old key refused (%)",
    "no-notice": "security notices for all this",
    "no-sim-check": "notices of a SIM in another modem",
    "no-technician-task": "open tasks for technicians about it",
    "clone-unmarked": "marks of a clone's own press",
    "clone-believed": "its case once the clone has denied it",
    "press-key-forgotten": "cases opened by a clone that tells 1 presses again",
    "no-token-revocation": "revocation to refusal of an API token (s)",
    "active-without-a-press": "presses missing from its proof",
    "sms-commands-obeyed": "commands by SMS that were obeyed",
    "no-receipt-by-sms": "a receipt by SMS to the lamp (s)",
    "sms-wakes-without-end": "heartbeats after 20 more SMS that are no frame",
}
"""The check that must fail with each."""
OF_THE_WHOLE_UNIT = {"active-without-a-press", *IN_FIRMWARE}
QUICK = "no-counter-check"


_run = partial(run_scenario, "A7")


def test_it_passes() -> None:
    status, document = _run(*WITHOUT_A_WHOLE_UNIT, "--seed", "5")
    assert (status, failed(document), document["passed"]) == (0, set(), True)


def test_every_sabotage_has_a_check_that_must_notice_it() -> None:
    assert set(NOTICED) == set(SABOTAGES)


def test_nothing_stays_sabotaged() -> None:
    def protections() -> tuple[object, ...]:
        return (
            readings.is_behind, readings.challenge_unproven, commands._verdict, notices.Notices.count,
            readings.SQL["end_generations"], readings.SQL["notice_moves"], readings.note_moves, presses.press_of,
            decide.done, paths_seen.SQL["doubt_keys"], commands.SQL["in_doubt"],
        )  # fmt: skip

    before = protections()
    for sabotage in SABOTAGES:
        with applied(sabotage):
            pass
    assert protections() == before


@each_sabotage(NOTICED, QUICK)
def test_a_sabotage_is_noticed(sabotage: str) -> None:
    size = SMALL if sabotage in OF_THE_WHOLE_UNIT else WITHOUT_A_WHOLE_UNIT
    status, document = _run(*size, "--sabotage", sabotage)
    assert status == 1
    assert NOTICED[sabotage] in failed(document)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("arguments", [(), ("--units", "40", "--seed", "11")], ids=["default", "40 units"])
def test_a_thousand_frames(arguments: tuple[str, ...]) -> None:
    status, document = _run(*arguments)
    for check in document["checks"]:
        print(f"{'PASS' if check['ok'] else 'FAIL'}  {check['name']}: {check['value']} (limit {check['limit']})")
    assert (status, failed(document)) == (0, set())
    assert document["seconds"] <= 600
