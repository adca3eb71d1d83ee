"""What a fleet and the world around it leave behind, read after a scenario: database, centres' logs, telephone.

Times are seconds of the scenario. Nothing here decides; the judge of each scenario does.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from protocols.wire import cbor
from sim.scenarios.world import START


def seconds(at: datetime) -> float:
    """A moment as seconds of the scenario."""
    return (at - START).total_seconds()


@dataclass(frozen=True, slots=True)
class Stored:
    """A press in the database."""

    at: float
    unit: int
    boot: int
    seq: int
    case: int
    input: int
    count: int

    @property
    def reference(self) -> str:
        """As centres log it."""
        return f"{self.unit:08x}-{self.boot}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Reported:
    """An event of a unit in the database; `input` where its data name one."""

    at: float
    unit: int
    kind: int
    input: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """A line of a centre's log; `reference` is empty where there was none."""

    at: float
    centre: str
    reference: str
    repeat: bool


@dataclass(slots=True)
class Evidence:
    """Everything. `cases` and `tasks` are rows with times in seconds, by unit; `log` entries (at, change) by case;
    `calls` are (at, number, text) of messages to people."""

    presses: dict[int, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    events: dict[int, list[Reported]] = field(default_factory=lambda: defaultdict(list))
    cases: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    tasks: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    log: dict[int, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    told: list[Told] = field(default_factory=list)
    calls: list[tuple[float, str, str]] = field(default_factory=list)

    def first_told(self, reference: str, centre: str | None = None) -> float | None:
        """When a centre (any, or this one) first had a press."""
        return min(
            (one.at for one in self.told if one.reference == reference and centre in (None, one.centre)), default=None
        )


def gather(database_url: str, centre_logs: dict[str, Path], telephone: Path) -> Evidence:
    """Reads all of it. The login must see all rows."""
    found = Evidence()
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        for row in connection.execute("SELECT * FROM presses ORDER BY unit_id, boot, seq"):
            found.presses[row["unit_id"]].append(
                Stored(
                    seconds(row["received_at"]), row["unit_id"], row["boot"], row["seq"], row["case_id"],
                    row["input"] or 0, row["count"] or 0,
                )
            )  # fmt: skip
        for row in connection.execute("SELECT * FROM unit_events WHERE kind >= 0 ORDER BY received_at"):
            data = {} if row["data"] is None else cbor.decode(bytes(row["data"]))
            found.events[row["unit_id"]].append(
                Reported(seconds(row["received_at"]), row["unit_id"], row["kind"], data.get(1))
            )
        for table, place in (("cases", found.cases), ("technician_tasks", found.tasks)):
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY opened_at"):  # noqa: S608 - our own names
                place[row["unit_id"]].append(
                    {name: seconds(value) if isinstance(value, datetime) else value for name, value in row.items()}
                )
        for row in connection.execute("SELECT case_id, at, change FROM case_log ORDER BY position"):
            found.log[row["case_id"]].append((seconds(row["at"]), row["change"]))
    for name, log in centre_logs.items():
        for line in lines(log):
            at = seconds(datetime.fromisoformat(line["at"]))
            found.told.append(Told(at, name, line["reference"] or "", line["duplicate"]))
    found.calls = [(line["at"], line["to"], line["text"]) for line in lines(telephone)]
    return found


def lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]


def worst(delays: Iterable[float | None]) -> float | None:
    """The longest, rounded; None as soon as one never came, or where there was none."""
    known = list(delays)
    if not known or any(one is None for one in known):
        return None
    return round(max(one for one in known if one is not None), 2)
