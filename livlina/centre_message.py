"""One line of output of the ``livlina centre`` commands: what a message was, and what answers it."""

from __future__ import annotations

from typing import Any

from protocols.centre.alarm import Alarm, Reply
from protocols.centre.document import to_json

Document = dict[str, Any]


def message(
    kind: str,
    *,
    alarms: tuple[Alarm, ...] = (),
    answer: Reply | None = None,
    error: tuple[str, str] | None = None,
    reply_octets: bytes = b"",
    **more: Any,
) -> Document:
    """One line of output. ``kind`` is alarm, heartbeat, reply or error; ``error`` is a word and a sentence."""
    document: Document = {
        "kind": kind,
        "alarm": to_json(alarms[0]) if alarms else None,
        "reply": None if answer is None else to_json(answer),
        "error": None if error is None else {"reason": error[0], "message": error[1]},
        "reply_hex": reply_octets.hex(),
        **more,
    }
    if len(alarms) > 1:
        document["alarms"] = [to_json(one) for one in alarms]
    return document
