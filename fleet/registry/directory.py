"""Units and their keys at hand, so that a frame costs no query.

It decides whether a unit number is known, active, and under which keys its frames open. It never trusts what it read
longer than `TRUST_S`, so a revocation counts within that time even where the notification of it was lost. Memory and
queries are bounded whatever numbers strangers name: unknown numbers are remembered for a few seconds in a table of
fixed size, and all numbers missing at a moment are asked for in one query.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from psycopg_pool import PoolTimeout

from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.registry.store import KeyRow, keys_of_units
from fleet.store.batch import Overloaded
from fleet.store.borrow import borrow
from fleet.store.pool import Pool
from protocols.wire import seal

log = logging.getLogger("livlina.registry")

# After this an entry is read again beside its use; after TRUST_S it is not used before it was read again.
REFRESH_S: Final = 30.0
TRUST_S: Final = 50.0
UNKNOWN_S: Final = 3.0
READ_S: Final = 8.0
"""A database that does not answer for so long is away, even if it keeps the connection open."""

MOST_UNKNOWN: Final = 65_536
MOST_A_QUERY: Final = 1000
MOST_CONTEXTS: Final = 1024
_NEVER: Final = float("-inf")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Aead:
    """AES-CCM-16-64-128 under one key, as `protocols.wire.seal` wants it: None for a wrong tag, no exception."""

    __slots__ = ("_ccm", "encrypt")

    def __init__(self, key: bytes) -> None:
        self._ccm = AESCCM(key, tag_length=8)
        self.encrypt: Callable[[bytes, bytes, bytes], bytes] = self._ccm.encrypt

    def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes | None:
        """The plaintext, or None where the tag does not fit."""
        try:
            return self._ccm.decrypt(nonce, data, aad)
        except InvalidTag:
            return None


class _Generation:
    """One key generation; secret and keys are opened at their first use."""

    __slots__ = ("down", "secret", "stored", "up")

    def __init__(self, stored: bytes) -> None:
        self.stored = stored
        self.secret: bytes | None = None
        self.up: tuple[Aead, bytes] | None = None
        self.down: Aead | None = None


class UnitKeys:
    """A known unit: number, municipality, type, whether it is active, and its key generations; `least` is the lowest
    that still counts."""

    __slots__ = ("active", "generations", "last_generation", "least", "municipality", "read_at", "unit", "unit_type")

    def __init__(self, rows: Sequence[KeyRow], read_at: float, before: UnitKeys | None) -> None:
        first = rows[0]
        self.unit = first.unit
        self.municipality = first.municipality
        self.unit_type = first.unit_type
        self.active = first.state == "active"
        self.read_at = read_at
        known = before.generations if before is not None else {}
        self.generations: dict[int, _Generation] = {}
        for row in rows:
            kept = known.get(row.generation)
            same = kept is not None and kept.stored == row.secret
            self.generations[row.generation] = kept if kept is not None and same else _Generation(row.secret)
        self.least: int = before.least if before is not None else 0
        last: int = before.last_generation if before is not None else -1
        # Pushes go out under the generation that the unit was last heard with.
        self.last_generation: int = last if last in self.generations else max(self.generations)


Found = UnitKeys | None
"""What is known of a unit number; None: there is no such unit."""


class Miss(Enum):
    """Not at hand: `Directory.find` has to be asked."""

    MISS = 1


class Directory:
    """The cache in front of `fleet.registry.store.keys_of_units`; `run` must be running for `find` to be answered."""

    def __init__(
        self,
        pool: Pool,
        box: SecretBox,
        *,
        now: Callable[[], float] = time.monotonic,
        most_units: int = 100_000,
        most_waiting: int = 20_000,
    ) -> None:
        self._pool = pool
        self._box = box
        self._now = now
        self._most_units = most_units
        self._most_waiting = most_waiting
        self._units: OrderedDict[int, UnitKeys] = OrderedDict()
        self._unknown: OrderedDict[int, float] = OrderedDict()
        self._contexts: OrderedDict[bytes, tuple[Aead, bytes]] = OrderedDict()
        self._waiting: dict[int, asyncio.Future[Found]] = {}
        self._refresh: dict[int, None] = {}
        self._reading: frozenset[int] = frozenset()
        self._doubtful: set[int] = set()
        self._asked = asyncio.Event()
        self.queries = 0

    def __len__(self) -> int:
        """How many units and unknown numbers are remembered."""
        return len(self._units) + len(self._unknown)

    def at_hand(self, unit: int) -> Found | Miss:
        """What is remembered of the unit, without waiting."""
        entry = self._units.get(unit)
        if entry is None:
            return None if self._unknown.get(unit, _NEVER) > self._now() else Miss.MISS
        age = self._now() - entry.read_at
        if age > REFRESH_S:
            if age > TRUST_S:
                return Miss.MISS
            if len(self._refresh) < self._most_waiting:
                self._refresh[unit] = None
                self._asked.set()
        self._units.move_to_end(unit)
        return entry

    def find(self, unit: int) -> asyncio.Future[Found]:
        """Reads the unit; all who ask for it meanwhile share the answer. None: there is no such unit.

        The future fails with what the database said when it is away. Raises Overloaded.
        """
        waiting = self._waiting.get(unit)
        if waiting is None:
            if len(self._waiting) >= self._most_waiting:
                raise Overloaded(f"{self._most_waiting} units are being looked up: try again later")
            waiting = self._waiting[unit] = asyncio.get_running_loop().create_future()
            self._asked.set()
        return waiting

    def forget(self, unit: int) -> None:
        """The unit was changed: what is remembered, or being read just now, does not count any more."""
        self._unknown.pop(unit, None)
        entry = self._units.get(unit)
        if entry is not None:
            entry.read_at = _NEVER
        if unit in self._reading:
            self._doubtful.add(unit)

    def distrust(self) -> None:
        """Notifications may have been missed: everything is read again before its next use."""
        self._unknown.clear()
        for entry in self._units.values():
            entry.read_at = _NEVER
        self._doubtful.update(self._reading)

    def up_keys(self, unit: UnitKeys, envelope: seal.Envelope) -> tuple[Aead, bytes] | None:
        """Key and common IV for an up frame; None where the unit has no such generation. Raises SecretBoxError."""
        assert envelope.generation is not None and envelope.kid is not None
        generation = unit.generations.get(envelope.generation)
        if generation is None or envelope.generation < unit.least:
            return None
        if envelope.kid_context is None:
            if generation.up is None:
                generation.up = self._derive_up(unit, generation, envelope)
            return generation.up
        remembered = self._contexts.get(envelope.kid + envelope.kid_context + generation.stored)
        return remembered or self._derive_up(unit, generation, envelope)

    def opened(self, unit: UnitKeys, envelope: seal.Envelope, keys: tuple[Aead, bytes]) -> None:
        """A frame opened under these keys: only now may a kid context take a place in memory."""
        assert envelope.generation is not None and envelope.kid is not None
        unit.last_generation = envelope.generation
        # The first verified use of a generation ends those before it; the commit makes that known to all processes.
        unit.least = max(unit.least, envelope.generation)
        if envelope.kid_context is not None:
            name = envelope.kid + envelope.kid_context + unit.generations[envelope.generation].stored
            self._contexts[name] = keys
            self._contexts.move_to_end(name)
            if len(self._contexts) > MOST_CONTEXTS:
                self._contexts.popitem(last=False)

    def down_key(self, unit: UnitKeys, number: int) -> Aead:
        """The key for frames to the unit. Raises KeyError for a generation it does not have, SecretBoxError."""
        generation = unit.generations[number]
        if generation.down is None:
            secret = self._secret(unit, number, generation)
            key, _ = seal.derive(_sha256, secret, seal.kid(unit.unit, number), seal.DOWN)
            generation.down = Aead(key)
        return generation.down

    async def run(self) -> None:
        """Answers `find` and refreshes entries for ever; cancel it to stop."""
        try:
            while True:
                await self._asked.wait()
                self._asked.clear()
                units = list(itertools.islice(self._waiting, MOST_A_QUERY))
                for unit in list(itertools.islice(self._refresh, MOST_A_QUERY - len(units))):
                    del self._refresh[unit]
                    units.append(unit)
                if units:
                    await self._read(list(dict.fromkeys(units)))
                if self._waiting or self._refresh:
                    self._asked.set()
        finally:
            for future in self._waiting.values():
                future.cancel()
            self._waiting.clear()

    async def _read(self, units: list[int]) -> None:
        started = self._now()
        self._doubtful.clear()
        self._reading = frozenset(units)
        self.queries += 1
        try:
            async with asyncio.timeout(READ_S), borrow(self._pool) as connection:
                rows = await keys_of_units(connection, units)
        except (psycopg.Error, PoolTimeout, TimeoutError) as error:
            log.warning("units cannot be looked up, the database is away: %s", type(error).__name__)
            for unit in units:
                future = self._waiting.pop(unit, None)
                if future is not None and not future.done():
                    future.set_exception(error)
            return
        by_unit: dict[int, list[KeyRow]] = {}
        for row in rows:
            by_unit.setdefault(row.unit, []).append(row)
        for unit in units:
            if unit in self._doubtful:
                continue  # changed while it was read: those who wait for it get the next reading
            found = self._remember(unit, by_unit.get(unit), started)
            future = self._waiting.pop(unit, None)
            if future is not None and not future.done():
                future.set_result(found)

    def _remember(self, unit: int, rows: list[KeyRow] | None, started: float) -> Found:
        if rows is None:
            self._units.pop(unit, None)
            self._unknown[unit] = started + UNKNOWN_S
            self._unknown.move_to_end(unit)
            if len(self._unknown) > MOST_UNKNOWN:
                self._unknown.popitem(last=False)
            return None
        self._unknown.pop(unit, None)
        entry = self._units[unit] = UnitKeys(rows, started, self._units.get(unit))
        self._units.move_to_end(unit)
        if len(self._units) > self._most_units:
            self._units.popitem(last=False)
        return entry

    def _derive_up(self, unit: UnitKeys, generation: _Generation, envelope: seal.Envelope) -> tuple[Aead, bytes]:
        assert envelope.generation is not None and envelope.kid is not None
        secret = self._secret(unit, envelope.generation, generation)
        key, common_iv = seal.derive(_sha256, secret, envelope.kid, seal.UP, envelope.kid_context)
        assert common_iv is not None
        return Aead(key), common_iv

    def _secret(self, unit: UnitKeys, number: int, generation: _Generation) -> bytes:
        if generation.secret is None:
            generation.secret = self._box.open_secret(generation.stored, unit.unit, number)
            if len(generation.secret) != seal.SECRET:
                raise SecretBoxError(f"the secret of unit {unit.unit:08x} generation {number} has a wrong length")
        return generation.secret
