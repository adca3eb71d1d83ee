"""Run by MicroPython twice: on its own asyncio, and on that of the lock-step. Prints what happens in which order."""

import asyncio
import time

AHEAD_MS = 600000
"""Of the interpreter's own clock, which its queue gives to whoever is to run at once: that is never later."""


class Leaps:
    """In place of the poll of asyncio's own loop: time passes where it waits, and never while somebody works."""

    def __init__(self):
        self.map = {}
        self.now = time.ticks_add(time.ticks_ms(), AHEAD_MS)

    def ticks(self):
        return self.now

    def wait_io_event(self, ms):
        self.now = time.ticks_add(self.now, ms)


async def work(name, ms, fail=False):
    try:
        for turn in range(3):
            await asyncio.sleep_ms(ms)
            print(name, turn)
        if fail:
            raise ValueError(name)
        return name
    except asyncio.CancelledError:
        print(name, "cancelled")
        raise
    finally:
        print(name, "over")


async def outer(inner):
    try:
        await inner
    except asyncio.CancelledError:
        print("outer cancelled")
        raise


async def hold(lock, name, ms):
    async with lock:
        print(name, "has it")
        await asyncio.sleep_ms(ms)
    print(name, "let go")


async def tell(event, ms):
    await asyncio.sleep_ms(ms)
    event.set()


async def main():
    print(await asyncio.gather(work("a", 50), work("b", 70), work("c", 110)))
    print(await asyncio.gather(work("d", 30), work("e", 40, True), return_exceptions=True))
    try:
        await asyncio.wait_for_ms(work("slow", 200), 300)
    except asyncio.TimeoutError:  # noqa: UP041 - MicroPython's is another one
        print("timeout")
    print(await asyncio.wait_for_ms(work("quick", 20), 3000))
    task = asyncio.create_task(work("f", 300))
    waiting = asyncio.create_task(outer(task))
    await asyncio.sleep_ms(100)
    print(waiting.cancel(), waiting.done())
    await asyncio.sleep_ms(100)
    print(waiting.done(), task.done(), waiting.cancel())
    lock = asyncio.Lock()
    await asyncio.gather(hold(lock, "x", 60), hold(lock, "y", 60))
    event = asyncio.Event()
    teller = asyncio.create_task(tell(event, 80))
    await asyncio.wait_for_ms(event.wait(), 1000)
    print("told", teller.done())
    order = []

    async def note(name):
        order.append(name)

    tasks = [asyncio.create_task(note(name)) for name in "ghijk"]
    await asyncio.sleep_ms(10)
    print([task.done() for task in tasks])
    print("".join(order))
    ended = asyncio.create_task(work("z", 10, True))
    await asyncio.sleep_ms(5)
    try:
        await ended
    except ValueError as error:
        print("raised", error)
    try:
        await ended
    except ValueError as error:
        print("again", error)


def run():
    asyncio.run(main())


def run_by_itself():
    """On the interpreter's own scheduler; a busy machine cannot change the order."""
    core = asyncio.core
    core._io_queue = leaps = Leaps()
    core.ticks = leaps.ticks
    run()
