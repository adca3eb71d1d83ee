"""What `livlina scenario ID --json` says, read as any program would read it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from typer.testing import CliRunner

from livlina.cli import app

Verdict = tuple[int, dict[str, Any]]


def run_scenario(name: str, *arguments: str) -> Verdict:
    """Exit status and document. Standard output must be exactly one JSON document with the keys that are promised."""
    result = CliRunner().invoke(app, ["scenario", name, "--json", *arguments])
    assert result.stdout, result.output
    document = json.loads(result.stdout)
    assert {"scenario", "seed", "passed", "checks"} <= set(document)
    assert all(set(check) == {"name", "value", "limit", "ok"} for check in document["checks"])
    assert document["passed"] is (result.exit_code == 0)
    return result.exit_code, document


def each_sabotage(names: Iterable[str], quick: str) -> pytest.MarkDecorator:
    """Runs a test for each sabotage; all but the quick one in `make proof` alone."""
    runs = [pytest.param(name, marks=() if name == quick else pytest.mark.proof) for name in names]
    return pytest.mark.parametrize("sabotage", runs)


def failed(document: dict[str, Any]) -> set[str]:
    """The names of the checks that did not hold."""
    return {check["name"] for check in document["checks"] if not check["ok"]}


def show(document: dict[str, Any], what: str) -> None:
    """A line a check, and how long it took, for whoever reads the proof's output."""
    for check in document["checks"]:
        print(f"{'PASS' if check['ok'] else 'FAIL'}  {check['name']}: {check['value']} (limit {check['limit']})")
    print(f"{what}: {document['seconds']} s of real time")
