"""Pure decisions: what an event of a unit means for its condition and for a technician.

It never trusts the shape of an event's data: what does not fit is left out, and the event counts all the same. A kind
that is not known here means nothing to a technician.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from fleet.technicians.model import (
    WHOLE_UNIT,
    CaseWord,
    Condition,
    Consequence,
    DrillOrder,
    DrillOutcome,
    Step,
    Task,
)

# Event kinds of docs/wire.md.
MAINS_LOST, MAINS_BACK, BATTERY_LOW, FAULT, INPUT_STUCK, INPUT_RELEASED = 2, 3, 4, 5, 6, 7
PENDANT_MISSED, PENDANT_BACK, PENDANT_BATTERY_LOW, NOT_WORN, WORN = 8, 9, 10, 11, 12
SIM_CHANGED, SIM_PROVEN, PATHS_NOT_DIVERSE, TECHNOLOGY_CLOSING = 13, 14, 15, 16

# Heartbeat flags of docs/wire.md that say how a unit is.
FLAG_CONDITIONS = ((1, "mains lost"), (4, "not worn"))

# What ends by no event of its own: it holds until a technician has closed its task.
ENDED_BY_TECHNICIAN = (
    "battery low", "pendant battery low", "fault", "paths not diverse", "technology closing",
)  # fmt: skip

STUCK_WHY = {1: "closed", 2: "chatters"}
SIM_REASONS = {
    0: "no receipt",
    1: "registration lost",
    2: "exercise",
    3: "return",
    4: "heartbeat unanswered",
    5: "policy",
}
DRILL_MISSED = "drill missed"
DRILL_DONE = 0
DRILL_PRESS = timedelta(minutes=10)
"""After a unit has taken the order: its window is two minutes, and a press may be long on its way."""
DRILL_ANSWER = timedelta(days=1)
"""An order without an end of its own is waited for so long: units that sleep are heard once a day."""

LARGEST = 0xFFFFFFFF
LONGEST_TEXT = 40

Data = Mapping[int, object]


def number(data: Data, key: int) -> int | None:
    """The integer under this key, or None where there is none from 0 to 2^32-1."""
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST else None


def printable(text: object) -> str | None:
    """At most 40 printable characters of a text from outside; None for what is no text."""
    if not isinstance(text, str):
        return None
    return "".join(sign if sign.isprintable() else "?" for sign in text[:LONGEST_TEXT])


def consequence_of(kind: int, data: Data) -> Consequence:
    """What this event means. Total: any kind and any data give an answer."""
    decided = _BY_KIND.get(kind)
    return decided(data) if decided is not None else Consequence()


def drill_due(order: DrillOrder) -> datetime:
    """By when the test must have been proven. A unit that has taken the order has its own time, whatever was set."""
    if order.answered_at is not None:
        return order.answered_at + (DRILL_PRESS if order.result == DRILL_DONE else timedelta(0))
    return order.expires_at or order.ordered_at + DRILL_ANSWER


def drill_outcome(order: DrillOrder, proven: bool, at: datetime) -> DrillOutcome | None:
    """What the order has come to at ``at``; None while there is time. ``proven``: a test of that button has gone the
    whole way since the order.

    Why it was missed tells a technician where to begin: at the way to the unit, at its settings, or at the button. It
    never says that the wearer did not press: an order is given when somebody stands at the button.
    """
    if proven:
        return DrillOutcome(proven=True)
    if at < drill_due(order):
        return None
    if order.answered_at is None:
        return DrillOutcome(proven=False, why="the unit did not answer")
    if order.result != DRILL_DONE:
        return DrillOutcome(proven=False, why="the unit did not take the order")
    return DrillOutcome(proven=False, why="no test came")


def _detail(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _of_unit(name: str, active: bool) -> Callable[[Data], Consequence]:
    def decided(_data: Data) -> Consequence:
        return Consequence(Condition(name, WHOLE_UNIT, active))

    return decided


def _of_part(name: str, part: int | None, active: bool, step: Step, detail: dict[str, object]) -> Consequence:
    """A condition of a part and the task of the same name. An event that does not name its part makes the task only."""
    condition = Condition(name, part, active, detail) if part is not None else None
    return Consequence(condition, Task(step, name, part, detail))


def _stuck(data: Data) -> Consequence:
    why = STUCK_WHY.get(number(data, 2) or 0)
    return _with_case("stuck", data, _of_part("stuck input", number(data, 1), True, "open", _detail(why=why)))


def _released(data: Data) -> Consequence:
    return _with_case("released", data, _of_part("stuck input", number(data, 1), False, "note", {}))


def _with_case(case: CaseWord, data: Data, decided: Consequence) -> Consequence:
    return Consequence(decided.condition, decided.task, case, number(data, 1))


def _missed(data: Data) -> Consequence:
    return _of_part("pendant missed", number(data, 1), True, "open", _detail(silent_s=number(data, 2)))


def _back(data: Data) -> Consequence:
    return _of_part("pendant missed", number(data, 1), False, "close", {})


def _pendant_low(data: Data) -> Consequence:
    return _of_part("pendant battery low", number(data, 1), True, "open", _detail(percent=number(data, 2)))


def _battery_low(data: Data) -> Consequence:
    detail = _detail(percent=number(data, 1), millivolts=number(data, 2))
    return Consequence(Condition("battery low", WHOLE_UNIT, True, detail), Task("open", "battery low", None, detail))


def _fault(data: Data) -> Consequence:
    detail = _detail(count=number(data, 2), text=printable(data.get(3)))
    return _of_part("fault", number(data, 1), True, "open", detail)


def _sim_changed(data: Data) -> Consequence:
    reason = number(data, 2)
    detail = _detail(
        slot=number(data, 1), reason=SIM_REASONS.get(reason, f"reason {reason}") if reason is not None else None
    )
    return Consequence(Condition("SIM changed", WHOLE_UNIT, True, detail))


def _sim_proven(data: Data) -> Consequence:
    proven = number(data, 2)
    if proven is None:
        return Consequence()
    if proven:
        return _of_part("SIM not proven", number(data, 1), False, "close", {})
    return _of_part("SIM not proven", number(data, 1), True, "open", {})


def _not_diverse(data: Data) -> Consequence:
    detail = _detail(operators=[found for found in (number(data, 1), number(data, 2)) if found is not None])
    task = Task("open", "paths not diverse", None, detail)
    return Consequence(Condition("paths not diverse", WHOLE_UNIT, True, detail), task)


def _closing(data: Data) -> Consequence:
    detail = _detail(operator=number(data, 2), radio=number(data, 3), unix_s=number(data, 4))
    return _of_part("technology closing", number(data, 1), True, "open", detail)


_BY_KIND: dict[int, Callable[[Data], Consequence]] = {
    MAINS_LOST: _of_unit("mains lost", True),
    MAINS_BACK: _of_unit("mains lost", False),
    NOT_WORN: _of_unit("not worn", True),
    WORN: _of_unit("not worn", False),
    BATTERY_LOW: _battery_low,
    FAULT: _fault,
    INPUT_STUCK: _stuck,
    INPUT_RELEASED: _released,
    PENDANT_MISSED: _missed,
    PENDANT_BACK: _back,
    PENDANT_BATTERY_LOW: _pendant_low,
    SIM_CHANGED: _sim_changed,
    SIM_PROVEN: _sim_proven,
    PATHS_NOT_DIVERSE: _not_diverse,
    TECHNOLOGY_CLOSING: _closing,
}
