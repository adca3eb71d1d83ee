"""A fleet too large for the process's open files is refused before it begins, in a sentence that says what helps."""

import resource

import pytest

from sim.scenarios.path import room_for
from sim.scenarios.scenario import ScenarioError


def test_more_units_than_open_files_are_refused(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 20_000))
    with pytest.raises(ScenarioError, match=r"20000 open files.*ulimit"):
        room_for(30_000)


def test_what_the_system_allows_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 20_000))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: asked.append(limits))
    room_for(300)
    room_for(3_000)
    assert asked == [(3_500, 20_000)]
