"""How the commit loops meet the database: a failure is told once, and one bad row harms no other."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import psycopg

from fleet.store.borrow import AWAY

log = logging.getLogger("livlina.ingest")

Item = TypeVar("Item")
Result = TypeVar("Result")


def reported(
    what: str, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
) -> Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]:
    """The same commit; a failure is logged once a batch before it goes to those who wait for it."""

    async def run(items: Sequence[Item]) -> Sequence[Result]:
        try:
            return await commit(items)
        except AWAY as error:
            log.warning("%d %s are not committed, the database is away: %s", len(items), what, type(error).__name__)
            raise
        except Exception:
            log.exception("%d %s are not committed: this is a fault of the server", len(items), what)
            raise

    return run


async def commit_apart(
    commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], items: Sequence[Item]
) -> list[Result | psycopg.Error]:
    """Commits the batch whole; where the database refuses its content, in halves, down to the item at fault.

    The item at fault gets the error as its result; all others are committed. Order is kept. Raises one of AWAY; what
    was committed by then is committed, and sending it again changes nothing.
    """
    try:
        return list(await commit(items))
    except AWAY:
        raise
    except psycopg.Error as error:
        if len(items) == 1:
            return [error]
    middle = len(items) // 2
    return await commit_apart(commit, items[:middle]) + await commit_apart(commit, items[middle:])
