"""Endless tasks end when they are told to, whatever they were waiting for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import pytest

from fleet.loops import Loops, Part, again_and_again, end


async def forever(swallows: int, begun: asyncio.Event) -> None:
    """Goes on after so many cancellations, as one that got what it waited for in the very moment."""
    begun.set()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not swallows:
                raise
            swallows -= 1


async def begun(swallows: int) -> asyncio.Task[None]:
    has_begun = asyncio.Event()
    task = asyncio.create_task(forever(swallows, has_begun))
    await has_begun.wait()
    return task


@pytest.mark.parametrize("swallows", [0, 1, 3])
def test_a_task_that_goes_on_after_its_cancellation_is_cancelled_again(swallows: int) -> None:
    async def steps() -> None:
        tasks = [await begun(swallows), await begun(0)]
        async with asyncio.timeout(60):
            await end(tasks, again_s=0.01)
        assert all(task.cancelled() for task in tasks)

    asyncio.run(steps())


def test_negative_control_one_cancellation_is_not_enough() -> None:
    async def steps() -> None:
        task = await begun(1)
        task.cancel()
        _, left = await asyncio.wait([task], timeout=0.05)
        assert left == {task}
        await end([task])

    asyncio.run(steps())


def test_what_has_begun_is_written_whole_before_its_loop_ends() -> None:
    """A task that is cancelled in the middle would lose what it has taken out of memory: the control."""
    written: list[str] = []

    async def steps(loop: Callable[[Callable[[], Coroutine[Any, Any, None]]], Coroutine[Any, Any, None]]) -> None:
        begun, may = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            begun.set()
            await may.wait()
            written.append("whole")

        task = asyncio.create_task(loop(write))
        await begun.wait()
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        may.set()
        await end([task])
        assert task.cancelled()

    asyncio.run(steps(lambda write: write()))
    assert not written
    asyncio.run(steps(lambda write: again_and_again(write, 0)))
    assert written == ["whole"]


def test_what_a_task_raised_is_not_raised_to_who_ends_it() -> None:
    async def broken() -> None:
        raise ValueError

    async def steps() -> None:
        task = asyncio.create_task(broken())
        with contextlib.suppress(ValueError):
            await asyncio.shield(task)
        await end([task])
        await end([])

    asyncio.run(steps())


def test_loops_are_stopped_together_and_one_that_ends_by_itself_is_told() -> None:
    async def steps() -> None:
        loops = Loops("test")
        has_begun = asyncio.Event()
        loops.start(forever(0, has_begun))
        await has_begun.wait()
        await loops.stop()
        loops.start(asyncio.sleep(0))
        async with asyncio.timeout(60):
            with pytest.raises(RuntimeError, match="a loop of test has ended"):
                await loops.watch()

    asyncio.run(steps())


class Recorded:
    """A pool that says what was done to it."""

    def __init__(self, said: list[str], name: str) -> None:
        self._said = said
        self._name = name

    async def open(self) -> None:
        self._said.append(f"open {self._name}")

    async def close(self) -> None:
        self._said.append(f"close {self._name}")


class Example(Part):
    """One loop that runs for ever, one that fails as soon as it may."""

    def __init__(self, said: list[str]) -> None:
        super().__init__("example", Recorded(said, "first"), Recorded(said, "second"))
        self.may_fail = asyncio.Event()
        self._said = said

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        return self._run(), self._fail()

    async def hang_up(self) -> None:
        self._said.append("hang up")

    async def _run(self) -> None:
        self._said.append("run")
        try:
            await asyncio.Event().wait()
        finally:
            self._said.append("ended")

    async def _fail(self) -> None:
        await self.may_fail.wait()
        raise ValueError("a fault of ours")


def test_a_part_opens_runs_ends_and_closes_in_this_order_and_says_when_a_loop_is_gone() -> None:
    async def steps() -> None:
        said: list[str] = []
        part = Example(said)
        assert said == []
        async with asyncio.timeout(60):
            await part.start()
            watching = asyncio.ensure_future(part.watch())
            while "run" not in said:
                await asyncio.sleep(0)
            assert not watching.done()
            part.may_fail.set()
            with pytest.raises(RuntimeError, match="example"):
                await watching
            await part.stop()
        assert said == ["open first", "open second", "run", "ended", "hang up", "close first", "close second"]

    asyncio.run(steps())
