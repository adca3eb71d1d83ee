"""Ports of tests that run side by side, and of a house's parts: nobody is handed what another was."""

from __future__ import annotations

import pytest

from sim import house
from tests.ports import ALL, parts, share


@pytest.mark.parametrize("workers", [1, 6, 12, 64])
def test_shares_and_their_parts_have_no_port_in_common(workers: int) -> None:
    every = [part for worker in range(workers) for part in parts(share(worker, workers))]
    assert all(len(part) > 50 for part in every)
    assert len({port for part in every for port in part}) == sum(len(part) for part in every) <= len(ALL)


def test_a_house_is_not_handed_a_port_that_another_has_not_bound_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "PORTS", house.PORTS[:60])
    drawn = [house.free_port() for _ in range(30)]
    assert len(set(drawn)) == len(drawn)
