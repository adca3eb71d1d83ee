"""What a DC-09 answer means: ACK, RSP, DUH and NAK as the reply that every protocol shares."""

from __future__ import annotations

from protocols.centre.alarm import Outcome, Reply, Scope
from protocols.centre.sia_dc09.frame import ACK, DUH, NAK, RSP, Frame

ANSWERS = frozenset({ACK, NAK, DUH, RSP})
# A NAK that our clock, once set by it, does not end is about the account: its key, or that nobody knows it.
_MEANING = {
    ACK: (True, Outcome.OK, None),
    RSP: (True, Outcome.OK, None),
    DUH: (False, Outcome.REJECT_PERMANENT, Scope.MESSAGE),
    NAK: (False, Outcome.CLOCK, Scope.UNIT),
}


def reply(frame: Frame) -> Reply:
    """The reply that a frame is. Raises ValueError for a frame that is no answer."""
    if frame.token not in ANSWERS:
        raise ValueError(f"{frame.token} is a message and no answer")
    accepted, outcome, scope = _MEANING[frame.token]
    return Reply(accepted, outcome, frame.token, text=frame.data or None, receiver_time=frame.time, scope=scope)
