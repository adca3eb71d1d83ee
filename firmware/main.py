"""Composition root of the unit: has it made (firmware.making), and runs it until power goes.

Nothing is opened at import; `run` does it all. An error that nobody handles is printed, counted on flash and answered
by a reset: a unit that hangs helps nobody, and the journal has every press.
"""

from firmware.ports import latch  # first of all: it watches the contacts while the rest is loaded

# isort: split
import asyncio
import gc
import sys

import machine

from firmware import boot
from firmware.core.heartbeat import SPREAD_MS
from firmware.driver import Driver
from firmware.ports.flash import Flash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = "0.2.0"
COLLECT = 4096
"""After so many words at most the heap is tidied, 16 kB on a board: what lives stays together, and the large piece that
a press may need is there (tests/both/test_book.py)."""
_MAKING = "firmware.making"


def build(flash: Flash, spread: int) -> Driver:
    """The whole unit, ready to run. Raises IdentityError if provisioning's files are not usable."""
    gc.collect()
    most = COLLECT << (3 if sys.maxsize >> 32 else 2)
    gc.threshold(most)  # type: ignore[attr-defined]
    made = make(flash, spread)
    latch.drop()
    forget()
    free = gc.mem_free()  # type: ignore[attr-defined]
    if free < most:
        # A full hub's heap too is tidied before all of it has been used once, and what lives lies everywhere.
        gc.threshold(free // 2)  # type: ignore[attr-defined]
    return made


def make(flash: Flash, spread: int) -> Driver:
    """The unit, with all that its making needs still in memory."""
    from firmware import making

    return making.build(flash, VERSION, spread)


def forget() -> None:
    """What only the start needs goes; it would come again if a unit were built again."""
    package, _, name = _MAKING.rpartition(".")
    del sys.modules[_MAKING]
    delattr(sys.modules[package], name)
    gc.collect()


def run(spread: int = SPREAD_MS) -> None:
    """Never returns. `spread` bounds the random delays (ms) at boot; a press that waits ignores them."""
    flash = Flash()
    made: "list[Driver]" = []

    def failed(loop: "Any", context: "dict[str, Any]") -> None:
        error = context["exception"]
        try:
            if made:
                made[0].last_words()
            sys.print_exception(error)  # type: ignore[attr-defined]
            gc.collect()
            boot.crashed(flash, error, made[0].crumbs if made else None)
        finally:
            machine.reset()

    asyncio.get_event_loop().set_exception_handler(failed)
    try:
        made.append(build(flash, spread))
        asyncio.run(made[0].run())
    except Exception as error:  # noqa: BLE001 - reported, counted and answered by a reset
        failed(None, {"exception": error})
