"""What a command of the fleet means for this unit: checked, obeyed once, and answered.

Pure. The number of the last command it obeyed, with what it answered, is kept on flash: the same number again is
answered the same and not obeyed again; a lower one is refused. It never carries anything out: it gives effects, in the
order in which they are to happen, and what they change is kept before the number is. Commands are docs/wire.md's; that
they are genuine was established before, and that they did not come by SMS too.

Effects: ("keep", name, value) to flash; ("drill", input); ("status",); ("heartbeat", interval, off duty); ("search",
seconds, every); ("cellular", event) for the modem; ("reboot",) once the answer has gone out.
"""

from firmware.core import locate
from firmware.core.profiles import POSITION_IN_SEARCH
from protocols.wire import messages
from protocols.wire.messages import RESULT_BAD_ARGUMENTS, RESULT_DONE, RESULT_NOT_NOW, RESULT_NOT_THIS_PROFILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from firmware.core.setup import Setup

    Outcome = tuple[int, dict[int, Any] | None, list[tuple[Any, ...]]]

NOT_MINE, OPEN, OVER = 0, 1, 2
"""The state of a press, as a challenge is answered."""
NONCE = 8
LEAST_HEARTBEAT = 5
"""The shortest interval (s) that a command may set; a configuration may set a shorter one, for tests of the fleet."""
MOST_ROWS = 16
"""Forbidden operators and closing dates in a policy."""
ROAMING_ALLOWED = 1
HOLD_S, LEAST_HOLD_S, LEAST_APART_S, LONGEST_HOLD_S = 3600, 60, 600, 86400
"""Of a policy: the time that a unit stays away from its preferred SIM, and the least between two returns."""
POLICY_ARGUMENTS = 6
"""The answer to a policy names the highest argument that this unit knows. An older one says nothing of it."""
_OPERATOR = 999999
_U32 = 0xFFFFFFFF
_BAD: "Outcome" = (RESULT_BAD_ARGUMENTS, None, [])


def whole(value: "Any", least: int, most: int) -> bool:
    """Whether it is an integer in these bounds."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def policy(value: "Any") -> "list[Any] | None":
    """[preferred slot, [operator, ...], [[operator, radio, unix s], ...]] or the same with roaming, hold (s) and apart
    (s) behind it, if it is one, else None."""
    if not isinstance(value, list) or len(value) not in (3, 6) or not whole(value[0], 0, 1):
        return None
    if len(value) == 6 and not (
        whole(value[3], 0, 1)
        and whole(value[4], LEAST_HOLD_S, LONGEST_HOLD_S)
        and whole(value[5], LEAST_APART_S, LONGEST_HOLD_S)
    ):
        return None
    forbidden, closings = value[1], value[2]
    if not isinstance(forbidden, list) or len(forbidden) > MOST_ROWS:
        return None
    if not isinstance(closings, list) or len(closings) > MOST_ROWS:
        return None
    if not all([whole(one, 0, _OPERATOR) for one in forbidden]):
        return None
    for row in closings:
        if not isinstance(row, list) or len(row) != 3:
            return None
        if not (whole(row[0], 0, _OPERATOR) and whole(row[1], 1, 255) and whole(row[2], 0, _U32)):
            return None
    return value


def intervals(value: "Any", setup: "Setup") -> "tuple[int, int] | None":
    """(interval, interval off duty or 0) in s if the profile allows them, else None."""
    longest = setup.profile.heartbeat[1]
    if not isinstance(value, list) or len(value) != 2 or not whole(value[0], LEAST_HEARTBEAT, longest):
        return None
    if value[1] and (not setup.profile.off_duty or not whole(value[1], LEAST_HEARTBEAT, longest)):
        return None
    return (value[0], value[1]) if whole(value[1], 0, longest) else None


class Commands:
    """The commands of one unit. `slots` is how many SIMs it has, 0 without a modem; `kept` what was kept last of the
    last command; `state(boot, seq)` tells NOT_MINE, OPEN or OVER of a press, None if the unit cannot tell;
    `inputs` are codes that may be drilled.

    Attribute: `refused`, commands with a number that is too low, unknown ones and those with wrong arguments.
    """

    def __init__(
        self,
        setup: "Setup",
        slots: int,
        kept: "Any",
        state: "Callable[[tuple[int, int]], int | None]",
        inputs: "Sequence[int]",
    ) -> None:
        self.refused = 0
        self._setup = setup
        self._slots = slots
        self._state = state
        self._inputs = inputs
        known = isinstance(kept, list) and len(kept) == 3 and whole(kept[0], 0, 1 << 64) and whole(kept[1], 0, 255)
        self._last: "list[Any]" = kept if known else [-1, 0, None]

    def handle(self, command: "messages.Command", is_open: bool) -> "Outcome | None":
        """(result, the answer's data, effects) of a genuine command; None if it is refused. `is_open`: a press is."""
        if command.number < self._last[0]:
            self.refused += 1
            return None
        if command.number == self._last[0]:
            return self._last[1], self._last[2], []
        result, data, effects = self._obey(command.kind, command.args or {}, is_open)
        if result in (messages.RESULT_UNKNOWN_KIND, RESULT_BAD_ARGUMENTS):
            self.refused += 1
        self._last = [command.number, result, data]
        return result, data, effects + [("keep", "command", self._last)]

    def _obey(self, kind: int, args: "dict[int, Any]", is_open: bool) -> "Outcome":
        if kind == messages.COMMAND_CHALLENGE:
            return self._challenge(args)
        if kind == messages.COMMAND_DRILL:
            code = args.get(1, 0)
            return (RESULT_DONE, None, [("drill", code)]) if code in self._inputs else _BAD
        if kind == messages.COMMAND_STATUS:
            return RESULT_DONE, None, [("status",)]
        if kind == messages.COMMAND_HEARTBEAT:
            return self._heartbeat(args)
        if kind == messages.COMMAND_SEARCH:
            return self._search(args)
        if kind == messages.COMMAND_REBOOT:
            return (RESULT_NOT_NOW, None, []) if is_open else (RESULT_DONE, None, [("reboot",)])
        if kind == messages.COMMAND_SIM_POLICY:
            return self._policy(args)
        if kind == messages.COMMAND_SWITCH_SIM:
            return self._switch(args, is_open)
        return messages.RESULT_UNKNOWN_KIND, None, []

    def _challenge(self, args: "dict[int, Any]") -> "Outcome":
        nonce = args.get(1)
        if not isinstance(nonce, bytes) or len(nonce) != NONCE:
            return _BAD
        if not whole(args.get(2), 0, _U32) or not whole(args.get(3), 0, _U32):
            return _BAD
        state = self._state((args[2], args[3]))
        # Whoever cannot tell denies nothing: a denial closes a case, perhaps of one who has fallen.
        return (RESULT_NOT_NOW, None, []) if state is None else (RESULT_DONE, {1: nonce, 2: state}, [])

    def _heartbeat(self, args: "dict[int, Any]") -> "Outcome":
        value = [args.get(1), args.get(2, 0)]
        found = intervals(value, self._setup)
        if found is None:
            return _BAD
        return RESULT_DONE, None, [("keep", "heartbeat", value), ("heartbeat", found[0], found[1])]

    def _search(self, args: "dict[int, Any]") -> "Outcome":
        if self._setup.profile.position != POSITION_IN_SEARCH:
            return RESULT_NOT_THIS_PROFILE, None, []
        every = args.get(2, locate.EVERY_S)
        if not whole(args.get(1), 0, locate.LONGEST_S) or not whole(every, locate.LEAST_EVERY_S, locate.LONGEST_S):
            return _BAD
        return RESULT_DONE, None, [("search", args[1], every)]

    def _policy(self, args: "dict[int, Any]") -> "Outcome":
        if not self._slots:
            return RESULT_NOT_THIS_PROFILE, None, []
        told = [args.get(1), args.get(2, []), args.get(3, [])]
        if 4 in args or 5 in args or 6 in args:
            # Otherwise it is kept as an older firmware keeps it, which may come back.
            told += [args.get(4, ROAMING_ALLOWED), args.get(5, HOLD_S), args.get(6, HOLD_S)]
        value = policy(told)
        if value is None or value[0] >= self._slots:
            return _BAD
        return RESULT_DONE, {1: POLICY_ARGUMENTS}, [("keep", "policy", value), ("cellular", ("policy", value))]

    def _switch(self, args: "dict[int, Any]", is_open: bool) -> "Outcome":
        if self._slots < 2:
            return RESULT_NOT_THIS_PROFILE, None, []
        if not whole(args.get(1), 0, self._slots - 1):
            return _BAD
        # In an alarm the SIM is chosen by what gets through.
        return (RESULT_NOT_NOW, None, []) if is_open else (RESULT_DONE, None, [("cellular", ("switch", args[1]))])
