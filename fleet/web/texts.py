"""Swedish and English: catalogues compiled in memory from the .po files, and the words for codes.

The message ids are English. A code without a word of its own is shown as the code, never hidden.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from gettext import GNUTranslations
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from babel import negotiate_locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from starlette.requests import Request

LANGUAGES = ("sv", "en")
LANGUAGE_COOKIE = "livlina_language"


Table = Mapping[int | str, str]


def N_(message: str) -> str:
    """Marks a message for the catalogues; it is translated where it is shown."""
    return message


PRIORITIES: Table = {1: N_("Acute"), 2: N_("High"), 3: N_("Normal"), 4: N_("Technical")}
KINDS: Table = {
    1: N_("Button pressed"),
    2: N_("Duress alarm"),
    3: N_("Man down"),
    4: N_("No movement"),
    5: N_("Pull cord"),
    9: N_("Test alarm"),
}
UNIT_TYPES: Table = {
    "social": N_("Social alarm"),
    "personal": N_("Personal alarm"),
    "tracker": N_("Tracker"),
    "camera": N_("Camera"),
    "technical": N_("Technical alarm"),
}
MARKS: Table = {
    "clock_wrong": N_("Unit's clock is wrong"),
    "age_lower_bound": N_("Pressed earlier than shown"),
    "late": N_("Arrived late"),
    "unknown_kind": N_("Unknown kind of alarm"),
    "field_dropped": N_("Unreadable detail left out"),
    "field_unknown": N_("Unknown detail"),
    "freshness_unproven": N_("Not proven to be fresh"),
    "silent": N_("Silent: do not call"),
    "stuck": N_("Button stuck: it stays pressed"),
    "replay": N_("Repetition of an old alarm"),
}
OUTCOMES: Table = {
    "helped": N_("Helped"),
    "false_alarm": N_("False alarm"),
    "test": N_("Test"),
    "no_contact": N_("No contact with the person"),
    "other": N_("Other"),
}
# How a case can have ended besides: nobody chooses these.
ENDINGS: Table = {**OUTCOMES, "replay": N_("Repetition of an old alarm")}
CHANGES: Table = {
    "opened": N_("Opened"),
    "repeated": N_("Pressed again"),
    "accepted": N_("Accepted by the centre"),
    "refused": N_("Refused by the centre"),
    "taken": N_("Taken"),
    "closed": N_("Closed"),
    "tested": N_("Test press beside the alarm"),
    "moved": N_("Told to another centre"),
    "escalated": N_("Escalated"),
    "told": N_("A person was told"),
    "stuck": N_("Button stuck: it stays pressed"),
    "released": N_("Button no longer stuck"),
    "fresh": N_("Proven to be fresh"),
    "replay": N_("Repetition of an old alarm"),
}
ACTORS: Table = {
    "machine": N_("the machine"),
    "escalation": N_("the routine"),
    "forwarding": N_("the server"),
    "notices": N_("the server"),
    "freshness": N_("the server"),
    "supervision": N_("the server"),
    "machine:attention": N_("the server"),
    "console:local": N_("the command line"),
}
NUMBERED: Table = {"person": N_("staff member {n}"), "token": N_("program {n}"), "import": N_("import {n}")}
"""Who is known by a number here."""
# Roles that routines name; an installation may add its own, which are shown as they are.
ROLES: Table = {
    "primary_centre": N_("first centre"),
    "secondary_centre": N_("second centre"),
    "shift_lead": N_("shift lead"),
    "manager": N_("manager"),
    "guard": N_("guard"),
    "patrol": N_("patrol"),
    "on_call": N_("on call"),
}
NOTICE_STATES: Table = {
    "told": N_("told"),
    "waiting": N_("on its way"),
    "failing": N_("not reached, tried again"),
    "withdrawn": N_("no longer needed"),
}
CHANNELS: Table = {"sms": "SMS", "email": N_("e-mail")}
BEARERS: Table = {
    0: N_("Unknown way"), 1: "Wi-Fi", 2: "Ethernet", 3: "SIM 1", 4: "SIM 2", 5: "SMS",
}  # fmt: skip
TRANSPORTS: Table = {"coap": "CoAP", "mqtt": "MQTT"}
# What the page's own scripts say. {n} and the like are filled in there.
PAGE: Table = {
    "contact_unknown": N_("Contact not yet known"),
    "contact_ok": N_("In contact"),
    "contact_lost": N_("Contact lost"),
    "contact_again": N_("Reconnecting"),
    "loss": N_("No contact with the server since {time}. New alarms may be missing here."),
    "loss_do": N_("Use the reserve routine now. This page goes on trying by itself."),
    "loss_title": N_("NO CONTACT"),
    "logged_out": N_("You are logged out. This page no longer shows alarms."),
    "logged_out_do": N_("Log in again, or use the reserve routine."),
    "ends_soon": N_("Your log-in ends at {time}. Log in again before then."),
    "watchdog_dead": N_("This page cannot watch its connection. Reload it."),
    "sound_off": N_("Sound is off: you will not hear new alarms."),
    "sound_on": N_("Sound is on"),
    "sound_none": N_("This browser cannot play sound. Use another one."),
    "shift_start": N_("Start shift and test the sound"),
    "shift_restore": N_("Turn the sound on"),
    "heard": N_("Shift started. You should have heard three tones."),
    "waiting_title": N_("{n} waiting"),
    "none_title": N_("No alarm waiting"),
    "oldest_none": N_("Nobody is waiting"),
    "press_many": N_("{n} presses"),
    "own_button": N_("own button"),
    "pendant": N_("pendant {n}"),
    "kind_unknown": N_("Alarm of kind {n}"),
    "priority_other": N_("Other"),
    "unit": N_("unit {id}"),
    "pressed_late": N_("pressed {time}, came {age} late"),
    "pressed_before": N_("came {time}, pressed earlier"),
    "pressed": N_("pressed {time}"),
    "pressed_again": N_("again {times}"),
    "risen": N_("made acute by repeated presses"),
    "battery": N_("battery {n} %"),
    "battery_low": N_("battery low: {n} %"),
    "centre_waiting": N_("Not yet accepted by a centre"),
    "centre_accepted": N_("Accepted by {who}"),
    "centre_refused": N_("Refused by {who}: call the centre"),
    "moved_silent": N_("{time} {who} does not answer: told to {to} too"),
    "moved_refused": N_("{time} {who} refused it: told to {to} too"),
    "responsible": N_("Responsible now: {who}"),
    "never_taken": N_("{who} never reports that a person has taken it: nobody else is called. Ask them."),
    "told_whom": N_("Told: {list}"),
    "told_at": N_("{who} {time}"),
    "told_trying": N_("{who} not reached, attempt {n}"),
    "told_waiting": N_("{who} on its way"),
    "told_nobody": N_("{who} nobody on duty"),
    "escalated": N_("ESCALATED"),
    "escalated_to": N_("Escalated {time} to {to}"),
    "escalated_nobody": N_("Escalated {time}: found nobody to tell"),
    "next_step": N_("Next in {age}: {to}"),
    "next_late": N_("{to} should have been told {age} ago. Call them yourself."),
    "next_none": N_("Nobody else will be told: the routine has no more steps."),
    "escalated_alarm": N_("Escalated"),
    "refused_alarm": N_("Refused by {who}"),
    "before": N_("{who} had it before this press"),
    "mine": N_("You have it since {time}"),
    "theirs": N_("{who} has it since {time}"),
    "take": N_("Take"),
    "taking": N_("Taking …"),
    "close": N_("Close"),
    "closing": N_("Closing …"),
    "close_as": N_("Close the case as"),
    "cancel": N_("Cancel"),
    "history": N_("History"),
    "new_tab": N_("opens in a new tab"),
    "first": N_("{who} was first. The case is theirs."),
    "already_closed": N_("The case is already closed by {who}."),
    "take_first": N_("Take the case before you close it."),
    "not_done": N_("The server did not answer. Look at the case, then try again."),
    "not_allowed": N_("The server refused: {detail}"),
    "rows_moved": N_("The rows moved just now. Look, then press again."),
    "new_alarm": N_("New alarm"),
    "again_alarm": N_("Pressed again"),
    "and_more": N_("and {n} more"),
    "said_taken": N_("{who} took {what}"),
    "said_closed": N_("{who} closed {what}"),
    "said_back": N_("In contact again"),
    "age_days": N_("{d} d {h} h"),
    "age_hours": N_("{h} h {m} min"),
    "age_minutes": N_("{m} min {s} s"),
    "age_only_minutes": N_("{m} min"),
    "age_seconds": N_("{s} s"),
}


@cache
def translations(language: str) -> GNUTranslations:
    """The catalogue of a language, compiled from its .po file."""
    po = resources.files("fleet.web").joinpath("locale", language, "LC_MESSAGES", "messages.po")
    catalogue = read_po(io.StringIO(po.read_text(encoding="utf-8")), locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def language_of(request: Request) -> str:
    """``?lang=``, else the cookie, else what the browser asks for, else Swedish."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    asked = [part.split(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")]
    found = negotiate_locale([a.replace("-", "_") for a in asked if a], LANGUAGES)
    return found if found in LANGUAGES else LANGUAGES[0]


class Words:
    """The words of one language and time zone, for a template or a script."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.language = language
        self.zone = zone
        self._: Callable[[str], str] = translations(language).gettext

    def priority(self, number: int) -> str:
        """``1 Acute``."""
        return f"{number} {self._(PRIORITIES.get(number, PAGE['priority_other']))}"

    def kind(self, number: int) -> str:
        """What happened."""
        if number in KINDS:
            return self._(KINDS[number])
        return self._(PAGE["kind_unknown"]).replace("{n}", str(number))

    def input(self, number: int | None) -> str:
        """Which button: the unit's own or a pendant; empty where the unit did not say."""
        if number is None:
            return ""
        return self._(PAGE["own_button"]) if number == 0 else self._(PAGE["pendant"]).replace("{n}", str(number))

    def actor(self, name: str) -> str:
        """Who made a change: an operator, a centre, or a unit."""
        before, _, unit = name.partition("unit ")
        if not before and unit:
            return self._(PAGE["unit"]).replace("{id}", unit)
        who, _, number = name.partition(":")
        if number.isdecimal() and who in NUMBERED:
            return self.fill(NUMBERED[who], n=number)
        return name.removeprefix("centre ") if name.startswith("centre ") else self.word(ACTORS, name)

    def word(self, table: Table, code: int | str | None) -> str:
        """The word for a code, or the code itself."""
        if code is None:
            return ""
        return self._(table[code]) if code in table else str(code)

    def time(self, iso: str | None, *, date: bool = True) -> str:
        """A moment in the installation's time zone; empty for None."""
        if iso is None:
            return ""
        pattern = "yyyy-MM-dd HH:mm:ss" if date else "HH:mm:ss"
        return str(format_datetime(datetime.fromisoformat(iso), pattern, tzinfo=self.zone, locale=self.language))

    def number(self, value: object) -> str:
        """A figure as the language writes it: whole, or with one decimal place. None is empty, other things stay."""
        if isinstance(value, int | float) and math.isfinite(value):
            pattern = "#,##0" if isinstance(value, int) else "#,##0.0"
            return str(format_decimal(value, pattern, locale=self.language))
        return "" if value is None else str(value)

    def names(self, whom: Iterable[str]) -> str:
        """Several roles or names in one line."""
        return ", ".join(self.word(ROLES, who) for who in whom)

    def detail(self, change: str, detail: Mapping[str, Any]) -> str:
        """What the log says beside a change: the outcome, from where to where, whom, which button."""
        if change == "moved":
            return f"{detail.get('from', '')} → {detail.get('to', '')}"
        if change == "told":
            return f"{detail.get('to', '')} ({self.word(CHANNELS, detail.get('channel'))})"
        if change == "escalated":
            told = [self.word(ROLES, who) for who in detail.get("to", ())]
            missing = (self.word(ROLES, who) for who in detail.get("nobody", ()))
            return ", ".join([*told, *(self.fill(PAGE["told_nobody"], who=who) for who in missing)])
        if change in ("stuck", "released"):
            return self.input(detail.get("input"))
        return self.word(ENDINGS, detail.get("outcome"))

    def age(self, seconds: float) -> str:
        """How long: seconds, minutes, hours or days, as the scripts say it."""
        s = max(0, int(seconds))
        if s < 60:
            key, values = "age_seconds", {"s": s}
        elif s < 3600:
            key, values = "age_only_minutes", {"m": s // 60}
        elif s < 86400:
            key, values = "age_hours", {"h": s // 3600, "m": s % 3600 // 60}
        else:
            key, values = "age_days", {"d": s // 86400, "h": s % 86400 // 3600}
        return self.fill(PAGE[key], **values)

    def since(self, iso: str | None, at: datetime) -> str:
        """How long before ``at`` a moment was; empty for None."""
        return "" if iso is None else self.age((at - datetime.fromisoformat(iso)).total_seconds())

    def fill(self, message: str, **values: object) -> str:
        """A message with its {names} filled in."""
        text = self._(message)
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def for_scripts(self) -> dict[str, object]:
        """All words that the page's scripts use, as plain JSON."""
        tables = {
            "priority": PRIORITIES, "kind": KINDS, "unit_type": UNIT_TYPES, "mark": MARKS, "outcome": OUTCOMES,
            "bearer": BEARERS, "role": ROLES,
        }  # fmt: skip
        words: dict[str, object] = {str(key): self._(message) for key, message in PAGE.items()}
        for name, table in tables.items():
            words[name] = {str(code): self._(message) for code, message in table.items()}
        return words
