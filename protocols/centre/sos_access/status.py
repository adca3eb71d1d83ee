"""The status codes of SOS Access v4, and what each means to the one who sends.

10 is a duplicate: the centre has the alarm, so it counts as delivered. 4 stands for "not authorized" in the table and 6
in the document's own example; both are read as that. What the table does not hold is treated as "other error".
"""

from __future__ import annotations

from protocols.centre.alarm import Outcome, Scope

OK, LENGTH, XML, CONTENT, NOT_AUTHORIZED, NOT_TREATED = 0, 1, 2, 3, 4, 5
NOT_AUTHORIZED_TOO, MISSING, PING_NOT_ALLOWED, DUPLICATE = 6, 7, 9, 10
SERVER_ERROR, OTHER, HEADER, PING_TOO_OFTEN = 98, 99, 100, 101

# status -> (what the answer says in words, what it means)
TABLE: dict[int, tuple[str, Outcome]] = {
    OK: ("OK", Outcome.OK),
    LENGTH: ("INVALID_LENGTH", Outcome.REJECT_PERMANENT),
    XML: ("INVALID_XML", Outcome.REJECT_PERMANENT),
    CONTENT: ("WRONG_CONTENT", Outcome.REJECT_PERMANENT),
    NOT_AUTHORIZED: ("NOT_AUTHORIZED", Outcome.AUTH),
    NOT_TREATED: ("NOT_TREATED_NOT_DISTRIBUTED", Outcome.RETRY_OTHER),
    NOT_AUTHORIZED_TOO: ("NOT_AUTHORIZED", Outcome.AUTH),
    MISSING: ("MANDATORY_DATA_MISSING", Outcome.REJECT_PERMANENT),
    PING_NOT_ALLOWED: ("SERVICE_NOT_ALLOWED", Outcome.REJECT_PERMANENT),
    DUPLICATE: ("DUPLICATE", Outcome.DUPLICATE),
    SERVER_ERROR: ("INTERNAL_SERVER_ERROR", Outcome.RETRY_OTHER),
    OTHER: ("OTHER_ERROR", Outcome.RETRY_OTHER),
    HEADER: ("XML_HEADER_MISSING", Outcome.REJECT_PERMANENT),
    PING_TOO_OFTEN: ("PING_TOO_OFTEN", Outcome.RETRY_LATER),
}


def outcome(status: int) -> Outcome:
    """What a status means to the sender."""
    return TABLE.get(status, TABLE[OTHER])[1]


# What a refusal is about. A centre that does not know a transmitter says 4, 5, 6 or 99; a status that no table has is
# judged by whom it hits: one unit, or many.
_ABOUT_MESSAGE = frozenset({LENGTH, XML, CONTENT, MISSING, HEADER})
_ABOUT_CENTRE = frozenset({SERVER_ERROR, PING_NOT_ALLOWED, PING_TOO_OFTEN})


def scope(status: int) -> Scope | None:
    """What a refusal with this status is about; None for one that takes the message."""
    if status in {OK, DUPLICATE}:
        return None
    if status in _ABOUT_MESSAGE:
        return Scope.MESSAGE
    return Scope.CENTRE if status in _ABOUT_CENTRE else Scope.UNIT


def words(status: int) -> str:
    """The text that goes with a status."""
    return TABLE.get(status, TABLE[OTHER])[0]
