"""What a procedure may ask for. A procedure is a generator that yields steps and is given what came of them.

    reply = yield Command(...)      a Reply, whatever its result
    line  = yield Wait("+QIOPEN")   the URC, or None when the time is over
    yield Pause(ms)
    yield Board("power", 1)         the board has done it

Procedures hold what a modem needs in which order, and no time, no stream and no pin: engine.py runs them.
"""

from firmware.core.at import CME, CMS, PROBE, Command
from firmware.core.at_syntax import AtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from firmware.core.at import Reply

    Procedure = Generator[Any, Any, Any]

POWER = "power"
"""Board("power", 1 or 0): the modem's supply."""
POWER_KEY = "power_key"
"""Board("power_key", ms): hold the key for so long."""
LINE = "line"
"""Board("line", 0): a byte on the modem's line, which wakes one that listens in its sleep, and a question that one who
is awake answers with at.PROBE_HEAD."""
LINE_SAYS = b"\r" + PROBE.encode() + b"\r"
SIM = "sim"
"""Board("sim", slot): the multiplexer between modem and cards."""


class Wait:
    """Until a URC of this head comes that `match(line)` likes; the head None stands for the modem's start."""

    def __init__(self, head: "str | None", timeout: int, match: "Callable[[str], bool] | None" = None) -> None:
        self.head = head
        self.timeout = timeout
        self.match = match


class Pause:
    """So many ms."""

    def __init__(self, ms: int) -> None:
        self.ms = ms


class Board:
    """Something that only the board can do."""

    def __init__(self, what: str, value: int) -> None:
        self.what = what
        self.value = value


def need(command: Command) -> "Procedure":
    """The reply of a command that must succeed. Raises AtError with the result as its reason, the code as detail."""
    reply: "Reply" = yield command
    if not reply.ok:
        raise AtError(reply.result, reply.code)
    return reply


def refused(error: AtError) -> bool:
    """Whether the modem has answered, and the answer is no."""
    return error.reason in ("error", CME, CMS)
