"""Commands in words: what a person types becomes the kind and the arguments of docs/wire.md, or a sentence why not.

A challenge is not among them: only the fleet itself asks that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from protocols.wire import messages

LARGEST: Final = 0xFFFFFFFF
HIGHEST_OPERATOR: Final = 999_999
MOST_IN_A_LIST: Final = 16
RADIOS: Final = {"gsm": 1, "umts": 2, "lte": 3, "lte-m": 4, "nb-iot": 5}

_DIGITS = re.compile(r"[0-9]{1,10}")


class ArgumentError(ValueError):
    """What was typed is no command; the message says what to write."""


class Argument(NamedTuple):
    """One argument: its key on the wire, how its text is read, whether it must be there, and how to write it."""

    key: int
    read: Callable[[str], Any]
    required: bool
    shown: str


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
            raise ArgumentError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def _operators(text: str) -> list[int]:
    return [_number(1, HIGHEST_OPERATOR)(part) for part in _parts(text)]


def _closings(text: str) -> list[list[int]]:
    found = []
    for part in _parts(text):
        operator, _, rest = part.partition(":")
        radio, _, day = rest.partition(":")
        if radio not in RADIOS:
            raise ArgumentError(f"a radio technology: one of {', '.join(RADIOS)}")
        try:
            closes = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise ArgumentError("a day such as 2027-12-31") from None
        seconds = int(closes.timestamp())
        if not 0 <= seconds <= LARGEST:
            raise ArgumentError("a day from 1970-01-01 to 2106-02-07")
        found.append([_number(1, HIGHEST_OPERATOR)(operator), RADIOS[radio], seconds])
    return found


def _parts(text: str) -> Sequence[str]:
    parts = text.split(",")
    if len(parts) > MOST_IN_A_LIST:
        raise ArgumentError(f"at most {MOST_IN_A_LIST} with commas between them")
    return parts


COMMANDS: Final[Mapping[str, tuple[int, Mapping[str, Argument]]]] = {
    "drill": (messages.COMMAND_DRILL, {"input": Argument(1, _number(0, LARGEST), False, "input=2")}),
    "status": (messages.COMMAND_STATUS, {}),
    "sim-policy": (
        messages.COMMAND_SIM_POLICY,
        {
            "preferred": Argument(1, _number(0, 1), True, "preferred=0"),
            "forbidden": Argument(2, _operators, False, "forbidden=24001,24008"),
            "closings": Argument(3, _closings, False, "closings=24001:gsm:2027-12-31"),
            "roaming": Argument(4, _number(0, 1), False, "roaming=0"),
            "hold": Argument(5, _number(60, 86_400), False, "hold=3600"),
            "apart": Argument(6, _number(600, 86_400), False, "apart=3600"),
        },
    ),
    "heartbeat": (
        messages.COMMAND_HEARTBEAT,
        {
            "interval": Argument(1, _number(5, 86_400), True, "interval=300"),
            "off_duty": Argument(2, _number(5, 86_400), False, "off_duty=3600"),
        },
    ),
    "search": (
        messages.COMMAND_SEARCH,
        {
            "seconds": Argument(1, _number(0, 86_400), True, "seconds=1800"),
            "interval": Argument(2, _number(1, 86_400), False, "interval=30"),
        },
    ),
    "switch-sim": (messages.COMMAND_SWITCH_SIM, {"slot": Argument(1, _number(0, 1), True, "slot=1")}),
    "reboot": (messages.COMMAND_REBOOT, {}),
}
"""Name -> kind and arguments by name."""

NAMES: Final = {messages.COMMAND_CHALLENGE: "challenge", **{kind: name for name, (kind, _) in COMMANDS.items()}}
"""Kind -> name, for showing a command."""

RESULTS: Final = {
    messages.RESULT_DONE: "done",
    messages.RESULT_UNKNOWN_KIND: "unknown kind",
    messages.RESULT_BAD_ARGUMENTS: "bad arguments",
    messages.RESULT_NOT_NOW: "not now",
    messages.RESULT_NOT_THIS_PROFILE: "not for this profile",
}


def read_command(name: str, words: Sequence[str]) -> tuple[int, dict[int, Any] | None]:
    """(kind, arguments) of a command and its ``key=value`` words. Raises ArgumentError with what to write."""
    if name not in COMMANDS:
        raise ArgumentError(f"{name!r} is no command: choose one of {', '.join(COMMANDS)}")
    kind, known = COMMANDS[name]
    args: dict[int, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or key not in known:
            raise ArgumentError(f"{name} does not take {word!r}{_usage(known)}")
        argument = known[key]
        if argument.key in args:
            raise ArgumentError(f"{name} takes {key} once")
        try:
            args[argument.key] = argument.read(text)
        except ArgumentError as error:
            raise ArgumentError(
                f"{key} of {name} is {error}, not {text!r}: write for example {argument.shown}"
            ) from None
    missing = [one.shown for one in known.values() if one.required and one.key not in args]
    if missing:
        raise ArgumentError(f"{name} needs {' '.join(missing)}")
    return kind, args or None


def _usage(known: Mapping[str, Argument]) -> str:
    if not known:
        return ": it takes no arguments"
    return ": write for example " + " ".join(argument.shown for argument in known.values())
