"""Takes away what is older than its rule, and leaves a signed statement of how far, so that the chain stays verifiable.

The links of rows that are gone stay as stubs: place, time and digest, nothing of the content. Work of the schema's
owner: no duty of the server may delete evidence. A case that is not closed keeps its log.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from fleet.evidence.model import Pruning
from fleet.evidence.retention import Retention
from fleet.evidence.signing import SigningKey
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.evidence", "prune.sql")
_ROWS = ("audit", "case_log", "unit_event")


def prune(owner_url: str, key: SigningKey, rules: Retention, at: datetime) -> dict[str, int]:
    """Applies the rules in one transaction; returns how many rows of each kind, and links, have gone. ``readings``
    counts days. Raises psycopg.Error."""
    gone: dict[str, int] = {}
    with psycopg.connect(owner_url, row_factory=dict_row, connect_timeout=10) as connection:
        # Nothing is appended meanwhile.
        connection.execute(SQL["lock"])
        connection.execute("SELECT set_config('livlina.pruning', 'on', true)")
        for source in _ROWS:
            days = getattr(rules, source)
            gone[source] = 0 if days is None else _prune_rows(connection, key, source, at - timedelta(days=days), at)
        gone["chain"] = 0 if rules.chain is None else _cut(connection, key, at - timedelta(days=rules.chain), at)
        gone["readings"] = 0 if rules.readings is None else _drop_days(connection, at.date(), rules.readings)
    return gone


def _prune_rows(
    connection: psycopg.Connection[dict[str, Any]], key: SigningKey, source: str, before: datetime, at: datetime
) -> int:
    end = connection.execute(SQL["chained_before"], {"before": before}).fetchone()
    if end is None:
        return 0
    gone = connection.execute(SQL[f"prune_{source}"], {"position": end["position"]}).rowcount
    if gone:
        _state(connection, key.sign_pruning(source, end["position"], bytes(end["hash"]), at))
    return gone


def _cut(connection: psycopg.Connection[dict[str, Any]], key: SigningKey, before: datetime, at: datetime) -> int:
    """The beginning of the chain, as far as no row that may be pruned is left of it."""
    end = connection.execute(SQL["cut_before"], {"before": before}).fetchone()
    if end is None:
        return 0
    _state(connection, key.sign_pruning("chain", end["position"], bytes(end["hash"]), at))
    return connection.execute(SQL["prune_chain"], {"position": end["position"]}).rowcount


def _state(connection: psycopg.Connection[dict[str, Any]], pruning: Pruning) -> None:
    connection.execute(
        SQL["state"],
        {
            "source": pruning.source, "position": pruning.position, "hash": pruning.hash, "at": pruning.at,
            "key_id": pruning.key_id, "signature": pruning.signature,
        },
    )  # fmt: skip


def _drop_days(connection: psycopg.Connection[dict[str, Any]], today: date, days: int) -> int:
    """Readings lie in partitions by day: a day goes as a whole."""
    dropped = 0
    for row in connection.execute(SQL["reading_days"]).fetchall():
        if row["day"] < today - timedelta(days=days):
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(row["name"])))
            dropped += 1
    return dropped
