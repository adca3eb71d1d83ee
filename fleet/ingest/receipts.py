"""Sealed receipts and commands: the fleet's word to a unit, which only that unit can open and nobody else can make."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from fleet.ingest.commands import Waiting
from fleet.registry.directory import Directory, UnitKeys
from protocols.wire import seal
from protocols.wire.messages import Command, Message, Receipt

MOST_ITEMS = 8
_IV = 13

Item = tuple[int, int, int]
"""(boot, seq, stage)"""


class Receipts:
    """Makes down frames. ``unix_s`` gives the server's time, ``random`` that many unpredictable bytes."""

    def __init__(
        self, directory: Directory, unix_s: Callable[[], int], random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._directory = directory
        self._unix_s = unix_s
        self._random = random

    def seal(self, unit: UnitKeys, generation: int, items: Sequence[Item]) -> bytes:
        """One frame with at most MOST_ITEMS items. Raises KeyError, SecretBoxError where the key is gone."""
        return self._seal(unit, generation, Receipt(items=list(items), time=self._unix_s()))

    def seal_command(self, unit: UnitKeys, generation: int, waiting: Waiting) -> bytes:
        """A command as a frame. Raises as seal does, and SealError, MessageError for one that fits no frame."""
        message = Command(number=waiting.number, kind=waiting.kind, args=waiting.args, time=self._unix_s())
        return self._seal(unit, generation, message)

    def seal_all(self, unit: UnitKeys, items: Sequence[Item]) -> list[bytes]:
        """As many frames as the items need, under the generation that the unit was last heard with."""
        return [
            self.seal(unit, unit.last_generation, items[start : start + MOST_ITEMS])
            for start in range(0, len(items), MOST_ITEMS)
        ]

    def _seal(self, unit: UnitKeys, generation: int, message: Message) -> bytes:
        return seal.seal_down(self._directory.down_key(unit, generation), self._random(_IV), message.encode())
