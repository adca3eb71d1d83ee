"""Group commit: a result only after its commit, nothing dropped, one batch's fault stays with that batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.store.batch import Batcher, Overloaded


def test_items_that_arrive_during_a_commit_share_the_next_one() -> None:
    async def run() -> None:
        gate = asyncio.Event()
        batches: list[list[int]] = []

        async def commit(items: Sequence[int]) -> list[int]:
            batches.append(list(items))
            await gate.wait()
            return [item * 2 for item in items]

        batcher: Batcher[int, int] = Batcher(commit)
        running = asyncio.create_task(batcher.run())
        first = batcher.submit(1)
        while not batches:
            await asyncio.sleep(0)
        rest = [batcher.submit(item) for item in (2, 3, 4)]
        assert not first.done(), "a result before its commit"
        gate.set()
        assert [await future for future in (first, *rest)] == [2, 4, 6, 8]
        assert batches == [[1], [2, 3, 4]]
        running.cancel()

    asyncio.run(run())


def test_a_failed_commit_is_told_to_its_items_only() -> None:
    async def run() -> None:
        async def commit(items: Sequence[int]) -> list[int]:
            if 13 in items:
                raise ConnectionError("away")
            return list(items)

        batcher: Batcher[int, int] = Batcher(commit, most=1)
        running = asyncio.create_task(batcher.run())
        good, bad, after = batcher.submit(1), batcher.submit(13), batcher.submit(2)
        assert await good == 1
        with pytest.raises(ConnectionError):
            await bad
        assert await after == 2
        running.cancel()

    asyncio.run(run())


def test_a_full_queue_is_an_error_and_a_stop_cancels_what_waits() -> None:
    async def run() -> None:
        begun = asyncio.Event()

        async def commit(items: Sequence[int]) -> list[int]:
            begun.set()
            await asyncio.Event().wait()
            return list(items)

        batcher: Batcher[int, int] = Batcher(commit, most=1, queue=2)
        waiting = [batcher.submit(1), batcher.submit(2)]
        with pytest.raises(Overloaded):
            batcher.submit(3)
        running = asyncio.create_task(batcher.run())
        await begun.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert all(future.cancelled() for future in waiting)

    asyncio.run(run())


def test_a_commit_that_answers_for_too_few_is_refused() -> None:
    async def run() -> None:
        async def commit(items: Sequence[int]) -> list[int]:
            return list(items)[:-1]

        batcher: Batcher[int, int] = Batcher(commit)
        running = asyncio.create_task(batcher.run())
        with pytest.raises(AssertionError, match="0 results for 1"):
            await batcher.submit(1)
        running.cancel()

    asyncio.run(run())


@given(st.lists(st.integers(), max_size=60), st.integers(1, 7))
def test_order_is_kept_and_nothing_is_lost(items: list[int], most: int) -> None:
    async def run() -> list[int]:
        committed: list[int] = []

        async def commit(batch: Sequence[int]) -> list[int]:
            assert 1 <= len(batch) <= most
            await asyncio.sleep(0)
            committed.extend(batch)
            return list(batch)

        batcher: Batcher[int, int] = Batcher(commit, most=most)
        running = asyncio.create_task(batcher.run())
        assert [await future for future in [batcher.submit(item) for item in items]] == items
        running.cancel()
        return committed

    assert asyncio.run(run()) == items
