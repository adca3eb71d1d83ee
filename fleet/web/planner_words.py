"""The words and figures of the planner: classes, why a wave comes when it does, shortage, two plans side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fleet.connectivity.plan_model import BANDS
from fleet.connectivity.sunset_model import CLASSES as CODES
from fleet.web.texts import N_, UNIT_TYPES, Table, Words

CLASSES: Table = {
    "fine": N_("Fine"), "over_the_air": N_("Over the air"), "sim_swap": N_("SIM swap"),
    "hardware_swap": N_("New unit"), "unknown": N_("Unknown: survey"),
}  # fmt: skip
WAVES: Table = dict(
    zip(
        BANDS,
        (
            N_("cut off already"),
            N_("no other path, and a personal alarm or living alone"),
            N_("no other path, or a personal alarm"),
            N_("loses its second path, lives alone"),
            N_("loses its second path"),
        ),
        strict=True,
    )
)
SOURCES: Table = {
    one: one
    for one in (
        N_("switch-off of 2G and 3G from 1 December 2025, by area; stated in the trade in autumn 2025"),
        N_("Telia closed 3G in December 2025 and keeps 2G to the end of 2027; stated in the trade in autumn 2025"),
        N_("stated in the trade in autumn 2025 for the country as a whole; ask the operator"),
        N_("Kristianstad, 250 personal alarms"),
    )
}
"""What shipped dates and prices were taken from; a source that somebody wrote is shown as it is."""
SWAPS: Table = {
    "open": N_("not begun"), "old unit out": N_("new unit proven, old one not returned"), "closed": N_("closed"),
}  # fmt: skip
TECHNOLOGIES: Table = {
    "gsm": "2G", "umts": "3G", "lte": "4G", "lte_m": "LTE-M", "nb_iot": "NB-IoT", "wifi": "Wi-Fi",
    "ethernet": "Ethernet",
}  # fmt: skip
STATES: Table = {"running": N_("being reckoned"), "done": N_("done"), "failed": N_("failed")}
FAULTS: Table = {
    "installers": N_("Say how many installers there are, 1 to 1,000."),
    "per_day": N_("Say how many visits one installer makes in a day, 1 to 50."),
    "date": N_("Write dates as YYYY-MM-DD, from 2020 to 2100."),
    "closed": N_("Write days on which nobody works as YYYY-MM-DD, with blanks between them."),
    "network": N_("That is no network of the calendar."),
    "many": N_("That are too many days or moved dates."),
    "busy": N_("Two plans of yours are being reckoned: wait for them."),
    "source": N_("Say who says so: a letter, a page, a person."),
    "installation": N_("A date is everybody's: who owns the fleet of the whole installation moves it."),
    "nowhere": N_("You may make plans for no municipality."),
}


def shortage(words: Words, one: Mapping[str, Any] | None) -> str:
    """Whether all visits are in time for a deadline; else how many are not, the heads that it would take, and when it
    is done otherwise."""
    if one is None:
        return words.fill(N_("Nothing has a deadline ahead."))
    if not one["short"]:
        return words.fill(
            N_("In time for {day}: {due} visits, room for {possible}."),
            day=one["deadline"], due=one["due"], possible=one["possible"],
        )  # fmt: skip
    if one["heads"] is None:
        return words.fill(
            N_("{short} visits too late for {day}: no working day is left; done on {finish}."),
            short=one["short"], day=one["deadline"], finish=one["finish"],
        )  # fmt: skip
    return words.fill(
        N_("{short} visits too late for {day}: {heads} installers needed, or done on {finish} (day {number})."),
        short=one["short"], day=one["deadline"], heads=words.number(one["heads"]), finish=one["finish"],
        number=one["finish_day"],
    )  # fmt: skip


def money(words: Words, amount: int) -> str:
    """Kronor with groups of thousands."""
    return f"{words.number(amount)}\u00a0SEK"


def owner(words: Words, name: str) -> str:
    """A network operator of the calendar by its name."""
    return words.fill(N_("all")) if name == "*" else "DNA" if name == "dna" else name.title()


def figures(document: Mapping[str, Any], other: Mapping[str, Any] | None) -> list[tuple[str, Any, Any, float | None]]:
    """(name, this plan, the other, how much more) of what is compared; the other is None where there is none."""
    rows: list[tuple[str, Any, Any, float | None]] = []
    for name, of in _COMPARED.items():
        mine, theirs = of(document), None if other is None else of(other)
        more = mine - theirs if isinstance(mine, int | float) and isinstance(theirs, int | float) else None
        rows.append((name, mine, theirs, more))
    return rows


def figure(words: Words, value: Any) -> str:
    """A compared figure; a dash for what the plan does not say."""
    return "–" if value is None else words.number(value)


def difference(words: Words, more: float | None) -> str:
    """How much more, with its sign; empty where nothing differs."""
    return "" if more is None or abs(more) < 0.05 else ("+" if more > 0 else "−") + words.number(abs(more))


def _class(code: str, document: Mapping[str, Any]) -> Any:
    return document["classes"][code]


def _worst(document: Mapping[str, Any], name: str) -> Any:
    return None if document["shortage"] is None else document["shortage"][name]


def _last(document: Mapping[str, Any]) -> str | None:
    return document["burn_down"][-1]["date"] if document["burn_down"] else None


def _cost(document: Mapping[str, Any], name: str) -> Any:
    return None if document["costs"] is None else document["costs"][name]


_COMPARED: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    N_("Units in use"): lambda d: d["units"],
    N_("Lose a network"): lambda d: d["doomed"],
    N_("Lose their last network"): lambda d: d["stranded"],
    **{CLASSES[code]: partial(_class, code) for code in CODES},
    N_("Visits"): lambda d: d["visits"],
    N_("Overdue when it begins"): lambda d: d["overdue"],
    N_("Visits too late"): lambda d: _worst(d, "short") or 0,
    N_("Installers needed"): lambda d: _worst(d, "heads"),
    N_("Last visit"): _last,
    N_("Persons without a path for a while"): lambda d: d["person_visits"],
    N_("Buying, year 1 (SEK)"): lambda d: _cost(d, "buying_year_1"),
    N_("Leasing, year 1 (SEK)"): lambda d: _cost(d, "leasing_year_1"),
}


def part(words: Words, name: str) -> str:
    """What is to be ordered: a SIM, or a unit of a type."""
    _, found, unit_type = name.partition("unit, ")
    return words.word(UNIT_TYPES, unit_type) if found else name
