"""What a person is told about a case, in Swedish and English. Pure.

It says which unit, when, and what else the routine allows, never who the wearer is or where: telephones lie about.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from fleet.alarms.decide import DURESS, MAN_DOWN, MANUAL, NO_MOVEMENT, PULL_CORD

_WORDS = {
    "sv": {
        "alarm": "Larm", "untaken": "Ingen har tagit larmet", "unit": "enhet", "case": "ärende", "time": "tryckt",
        MANUAL: "knapptryck", DURESS: "överfallslarm", MAN_DOWN: "fall", NO_MOVEMENT: "ingen rörelse",
        PULL_CORD: "dragsnöre",
    },
    "en": {
        "alarm": "Alarm", "untaken": "Nobody has taken the alarm", "unit": "unit", "case": "case", "time": "pressed",
        MANUAL: "button pressed", DURESS: "duress", MAN_DOWN: "man down", NO_MOVEMENT: "no movement",
        PULL_CORD: "pull cord",
    },
}  # fmt: skip
_TIME = {"sv": "d MMMM 'kl.' HH.mm", "en": "d MMMM 'at' HH:mm"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One message that one person still has to get. ``attempts`` counts the present one; ``place`` > 1 is a reminder
    that nobody has taken the case."""

    notice: int
    case: int
    place: int
    channel: str
    name: str
    address: str
    language: str
    parts: tuple[str, ...]
    zone: str
    attempts: int
    unit: int
    kind: int
    opened_at: datetime
    municipality: str


def text_of(notice: Notice) -> str:
    """The message: one line, the same for every attempt."""
    words = _WORDS.get(notice.language, _WORDS["en"])
    local = notice.opened_at.astimezone(ZoneInfo(notice.zone))
    when = format_datetime(local, _TIME.get(notice.language, _TIME["en"]), locale=notice.language)
    said = {
        "unit": f"{words['unit']} {notice.unit:08x}",
        "time": f"{words['time']} {when}",
        "case": f"{words['case']} {notice.case}",
        "kind": words.get(notice.kind, str(notice.kind)),
        "municipality": notice.municipality,
    }
    parts = [said[part] for part in ("kind", "unit", "municipality", "time", "case") if part in notice.parts]
    head = words["alarm"] if notice.place == 1 else words["untaken"]
    return f"{head}: {', '.join(parts)}." if parts else f"{head}."
