"""The way into files: what stands there, why it went there, and which files stay."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.clock import SystemClock
from fleet.forwarding.link_jsonl import Bounds, JsonLinesLink, _prune, file_of
from fleet.forwarding.model import Outcome
from tests.centres import owed
from tests.steps import in_loop

TODAY = date(2026, 11, 22)


class Noon(SystemClock):
    def now(self) -> datetime:
        return datetime(2026, 11, 22, 12, tzinfo=UTC)


def files(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize(("reason", "said"), [("route", None), ("failover", "failover"), ("escalation", "escalation")])
def test_an_alarm_that_was_moved_names_its_reason(tmp_path: Path, reason: str, said: str | None) -> None:
    async def steps() -> None:
        link = JsonLinesLink(tmp_path / "a.jsonl", Noon())
        for _ in range(2):
            assert await link.deliver(owed(reason=reason)) is Outcome.DELIVERED
        await link.close()

    in_loop(steps)
    lines = (tmp_path / "a-2026-11-22.jsonl").read_bytes().splitlines()
    assert lines[0] == lines[1], "a repetition has the same octets"
    assert json.loads(lines[0])["extra"].get("reason") == said


def test_a_probe_deletes_what_is_out_of_bounds_and_nothing_else(tmp_path: Path) -> None:
    for day in (0, 1, 9, 10, 11, 400):
        file_of(tmp_path / "a.jsonl", TODAY - timedelta(days=day)).write_bytes(b"{}\n")
    others = ["a-2020-01-01.txt", "b-2020-01-01.jsonl", "a.jsonl", "a-2020-1-1.jsonl", "a-20200101.jsonl"]
    for name in others:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a-2020-01-02.jsonl").symlink_to(tmp_path / "b-2020-01-01.jsonl")

    async def steps() -> None:
        link = JsonLinesLink(tmp_path / "a.jsonl", Noon(), Bounds(keep_days=10))
        assert await link.probe() is Outcome.DELIVERED
        pruning = link._pruning
        assert pruning is not None
        await asyncio.wait([asyncio.ensure_future(pruning)])
        await link.close()

    in_loop(steps)
    kept = [file_of(Path("a.jsonl"), TODAY - timedelta(days=day)).name for day in (0, 1, 9, 10)]
    assert files(tmp_path) == sorted([*kept, *others, "a-2020-01-02.jsonl"])


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 50)), max_size=12), st.integers(0, 40), st.integers(0, 200)
)
def test_what_stays_is_within_the_bounds_and_the_days_own_file_always_stays(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, int]], days: int, most: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    sizes = {TODAY - timedelta(days=day): size for day, size in made}
    for day, size in sizes.items():
        file_of(folder / "a.jsonl", day).write_bytes(b"x" * size)
    _prune(folder / "a.jsonl", TODAY, Bounds(days, most))
    stayed = {day for day in sizes if file_of(folder / "a.jsonl", day).exists()}
    assert TODAY not in sizes or TODAY in stayed
    earlier = stayed - {TODAY}
    assert not days or all((TODAY - day).days <= days for day in earlier)
    assert not most or not earlier or sum(sizes[day] for day in stayed) <= most
    if not days:
        assert all(day <= min(stayed, default=TODAY) for day in set(sizes) - stayed), "the oldest go first"
    if not days and not most:
        assert stayed == set(sizes)
