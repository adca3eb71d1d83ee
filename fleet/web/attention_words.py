"""The words for what needs attention: concerns, and what is said beside a unit that has one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from fleet.web.texts import N_, Table, Words

CONCERNS: Table = {
    "unprotected": N_("Persons without protection"),
    "silent": N_("Silent units"),
    "low_battery": N_("Battery low"),
    "unproven_button": N_("Unproven button"),
    "single_path": N_("Only one path"),
    "unproven_path": N_("Other path not proven in its time"),
    "seldom_heard": N_("Reports too seldom for its profile"),
    "doomed": N_("Loses a network"),
}
MEANINGS: Table = {
    "unprotected": N_("Somebody relies on the unit, and it would not bring help now."),
    "silent": N_("Not heard; the list says why."),
    "low_battery": N_("May be empty within five days."),
    "unproven_button": N_("A button without a test press to the centre within 400 days."),
    "single_path": N_("On fewer than two radio networks within 25 hours."),
    "unproven_path": N_("Heard, and not seen or proven on its other path within the time of its profile."),
    "seldom_heard": N_("Its heartbeats are too far apart for a fault to be known in the time of its profile."),
    "doomed": N_("A network that it lives on closes."),
}
STATES: Table = {
    "known": N_("heard"), "late": N_("late"), "probing": N_("being looked for"), "silent": N_("is silent"),
    "off": N_("is off or empty"), "no_power": N_("without power"), "no_network": N_("without network"),
    "not_worn": N_("not worn"), "absent": N_("away by arrangement"),
}  # fmt: skip
CAUSES: Table = {
    "heard": N_("it was heard"), "mains lost": N_("mains lost"), "not worn": N_("not worn"),
    "overdue": N_("overdue"), "connection closed": N_("its connection was closed"),
    "probed": N_("its paths were tried"),
    "no answer": N_("no answer on any path"), "never heard": N_("never heard"),
    "the SIM is attached, the unit says nothing": N_("the SIM is attached, the unit says nothing"),
    "the SIM is not attached": N_("the SIM is not attached"), "battery empty": N_("battery empty"),
    "switched off": N_("switched off"), "incident": N_("part of an incident"),
    "away by arrangement": N_("away by arrangement"),
}  # fmt: skip
_BY_PROFILE = frozenset({"unproven_path", "seldom_heard"})
WHY_UNPROTECTED: Table = {
    "silent": N_("not heard"), "network closed": N_("its last network has closed"),
    "revoked": N_("its keys are revoked"), "no proof": N_("no button was ever proven"),
}  # fmt: skip
HELPS: Table = {
    "fine": N_("nothing"), "over_the_air": N_("a new profile over the air"), "sim_swap": N_("another SIM"),
    "hardware_swap": N_("another unit"), "unknown": N_("a survey by a test alarm"),
}  # fmt: skip


def said(words: Words, concern: str, detail: Mapping[str, Any]) -> str:
    """What stands beside a unit in the list of a concern. A detail of any shape gives a text."""
    if concern == "silent":
        state, cause = words.word(STATES, detail.get("state")), words.word(CAUSES, detail.get("cause"))
        incident = detail.get("incident")
        about = cause if incident is None else words.fill(N_("incident {n}"), n=incident)
        return ", ".join(one for one in (state, about) if one)
    if concern == "low_battery":
        return words.fill(
            N_("{days} days left ({least} to {most})"),
            **{name: words.number(detail.get(name)) for name in ("days", "least", "most")},
        )  # fmt: skip
    if concern == "single_path":
        network = detail.get("network")
        return str(network) if network else words.fill(N_("on no network lately"))
    if concern in _BY_PROFILE:
        return _beside_profile(words, detail)
    if concern == "unproven_button":
        inputs = detail.get("inputs")
        shown = [words.input(one) for one in inputs if isinstance(one, int)] if isinstance(inputs, list) else []
        return ", ".join(shown) or words.fill(N_("no button is known"))
    if concern == "doomed":
        return _doomed(words, detail)
    whys, priority = detail.get("why"), detail.get("priority")
    parts = [words.word(WHY_UNPROTECTED, why) for why in whys] if isinstance(whys, list) else []
    return ", ".join([*parts, *([words.fill(N_("care priority {n}"), n=priority)] if priority is not None else [])])


def _beside_profile(words: Words, detail: Mapping[str, Any]) -> str:
    told = {"profile": detail.get("profile"), "every": words.number(detail.get("every_s")),
            "longest": words.number(detail.get("longest_s"))}  # fmt: skip
    if "every_s" in detail:
        return words.fill(N_("every {every} s, {profile} bears {longest} s at most"), **told)
    within = detail.get("within_s")
    text = N_("{profile}: within {span}") if detail.get("ever") else N_("{profile}: within {span}, never proven")
    return words.fill(text, **told, span=words.age(within) if isinstance(within, int) else "")


def _doomed(words: Words, detail: Mapping[str, Any]) -> str:
    day, helps = detail.get("last_day"), words.word(HELPS, detail.get("what_helps"))
    parts = [
        words.fill(N_("last day {day}"), day=date.fromisoformat(day)) if day else "",
        words.fill(N_("cut off")) if detail.get("cut_off") else words.fill(N_("its last network"))
        if detail.get("stranded") else "",
        words.fill(N_("helps: {what}"), what=helps) if helps else "",
    ]  # fmt: skip
    return ", ".join(one for one in parts if one)
