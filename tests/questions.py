"""One statement to a test's database. A test that waits asks it dozens of times a second: a connection for each
question would cost more than all that is waited for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import psycopg

_MOST = 4
_kept: OrderedDict[str, psycopg.Connection[Any]] = OrderedDict()
_lock = threading.Lock()


def ask(url: str, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    """Its rows, if it has any; what it changes is committed. From any thread. Raises psycopg.Error."""
    connection = _taken(url)
    try:
        cursor = connection.execute(statement.encode(), values)
        found = cursor.fetchall() if cursor.description else []
    except BaseException:
        connection.close()
        raise
    with _lock:
        too_many = [_kept.pop(url)] if url in _kept else []
        _kept[url] = connection
        if len(_kept) > _MOST:
            too_many.append(_kept.popitem(last=False)[1])
    for one in too_many:
        one.close()
    return found


def hang_up(url: str) -> None:
    """Leaves this database: one that somebody is in cannot be copied."""
    with _lock:
        connection = _kept.pop(url, None)
    if connection is not None:
        connection.close()


def _taken(url: str) -> psycopg.Connection[Any]:
    """The kept connection, taken by this question alone; a new one where there is none, or where it has died."""
    with _lock:
        connection = _kept.pop(url, None)
    if connection is not None:
        try:
            connection.execute(b"SELECT 1")
        except psycopg.Error:
            connection.close()
        else:
            return connection
    return psycopg.connect(url, autocommit=True, prepare_threshold=None)
