"""Signed heads: made each minute, kept in the database, in a file beside it and, if wished, with somebody else.

A line of the file is one JSON object; the same object goes to the web address and into the e-mail. Whoever keeps such a
line can tell for ever whether the chain up to there is still the one that was signed.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from fleet.evidence.chainer import SQL, end_of_chain
from fleet.evidence.decide import instant
from fleet.evidence.model import Head
from fleet.evidence.signing import SigningKey
from fleet.store.pool import Connection, fetch_all

_LONGEST_LINE = 4096


class HeadsFileError(ValueError):
    """A line of a heads file that cannot be read; the message says which."""


def head_line(head: Head) -> str:
    """One line of JSON."""
    return json.dumps(
        {
            "position": head.position,
            "hash": head.hash.hex(),
            "at": instant(head.at),
            "key": head.key_id,
            "signature": head.signature.hex(),
        }
    )


def read_heads(file: Path) -> list[Head]:
    """The heads of a file. Raises HeadsFileError, OSError.

    A last line without its end was cut while it was written and is left out.
    """
    found = []
    for number, line in enumerate(file.read_bytes().splitlines(keepends=True), 1):
        if not line.strip() or not line.endswith(b"\n"):
            continue
        try:
            found.append(_head(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            raise HeadsFileError(f"{file}, line {number} is no signed head: take the file from its backup") from None
    return found


def _head(document: dict[str, Any]) -> Head:
    position = document["position"]
    if not isinstance(position, int) or position < 1:
        raise ValueError("position")
    at = datetime.fromisoformat(document["at"])
    if at.tzinfo is None:
        raise ValueError("at")
    return Head(
        position, bytes.fromhex(document["hash"]), at, str(document["key"]), bytes.fromhex(document["signature"])
    )


def keep_line(file: Path, head: Head) -> None:
    """Appends the head to the file and sees it onto the disk. A last line that a crash has cut goes: nobody was told
    of it, and the database does not have it."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        size = os.fstat(handle).st_size
        start = max(0, size - _LONGEST_LINE)
        tail = os.pread(handle, size - start, start)
        whole = start + tail.rfind(b"\n") + 1
        if whole < size and (whole > start or start == 0):
            os.ftruncate(handle, whole)
            size = whole
        os.pwrite(handle, head_line(head).encode() + b"\n", size)
        os.fsync(handle)
    finally:
        os.close(handle)


async def sign_head(connection: Connection, key: SigningKey, file: Path, at: datetime) -> Head | None:
    """Signs the end of the chain where it has grown since the last head; the file has it before the database.

    One transaction of its own. None where nothing has been added, or another process is at it.
    """
    async with connection.transaction():
        if not (await fetch_all(connection, SQL["lock"]))[0]["mine"]:
            return None
        position, hash_ = await end_of_chain(connection)
        newest = await fetch_all(connection, SQL["newest_head"])
        if position == 0 or (newest and newest[0]["position"] >= position):
            return None
        head = key.sign_head(position, hash_, at)
        keep_line(file, head)
        await connection.execute(
            SQL["keep_head"],
            {
                "position": position,
                "hash": hash_,
                "at": at,
                "key_id": head.key_id,
                "signature": head.signature,
            },
        )
        return head
