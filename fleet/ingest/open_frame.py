"""Bytes from outside into an authentic message, or the reason why not.

It decides whether a frame is ours, genuine, and of a kind that a unit may send. It never counts a refused frame
against the unit that it names: anybody can name a unit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fleet.registry.directory import Directory, UnitKeys
from fleet.registry.secret_box import SecretBoxError
from protocols.wire import messages, seal

_FROM_UNITS = (messages.Alarm, messages.Heartbeat, messages.Event, messages.Answer, messages.Query)


class Refusal(NamedTuple):
    """Why a frame was dropped: one of a fixed set of short words, fit for a counter's name."""

    reason: str


class Opened(NamedTuple):
    """An authentic frame: its unit, what it was sealed with, what it says, and its bytes as received."""

    keys: UnitKeys
    generation: int
    counter: int
    kid_context: bytes | None
    message: Any
    raw: bytes


def parse_frame(frame: bytes) -> seal.Envelope | Refusal:
    """What a frame says in the clear: truncated, oversize, cbor, not_cose, algorithm, direction, kid, counter, iv."""
    try:
        envelope = seal.parse(frame)
    except seal.SealError as error:
        return Refusal(error.reason)
    if envelope.direction != seal.UP:
        return Refusal("direction")
    return envelope


def open_frame(directory: Directory, unit: UnitKeys | None, envelope: seal.Envelope, raw: bytes) -> Opened | Refusal:
    """Opens a parsed up frame with what the directory knows of its unit (None: it does not exist).

    Reasons: unknown_unit, revoked, key_generation, key_unreadable, tag, not_a_message, message_type.
    """
    if unit is None:
        return Refusal("unknown_unit")
    if not unit.active:
        return Refusal("revoked")
    try:
        keys = directory.up_keys(unit, envelope)
    except SecretBoxError:
        return Refusal("key_unreadable")
    if keys is None:
        return Refusal("key_generation")
    try:
        plaintext = seal.open_up(keys[0], keys[1], envelope)
    except seal.SealError as error:
        return Refusal(error.reason)
    directory.opened(unit, envelope, keys)
    try:
        message = messages.decode(plaintext)
    except messages.MessageError:
        return Refusal("not_a_message")
    if not isinstance(message, _FROM_UNITS):
        return Refusal("message_type")
    assert envelope.generation is not None and envelope.counter is not None
    return Opened(unit, envelope.generation, envelope.counter, envelope.kid_context, message, raw)
