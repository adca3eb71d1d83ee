"""Every word of the pages exists in both languages, and the scripts ask only for words that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from firmware.core import reboot_names
from fleet.alarms import decide as alarms
from fleet.connectivity import calendar_rows, cost_compare
from fleet.forwarding.model import Sign, State
from fleet.supervision.cohorts import Kind
from fleet.supervision.model import Cause
from fleet.supervision.model import State as Supervised
from fleet.supervision.profiles import DEFAULTS
from fleet.technicians import decide as technicians
from fleet.web import attention_words, incident_words, planner_words, profiles, texts, vocabulary
from fleet.web.model import OUTCOMES
from fleet.web.texts import LANGUAGES, PAGE
from protocols.wire import messages

WEB = Path(texts.__file__).parent


def message_ids() -> Iterator[str]:
    options = {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}
    for template in sorted(WEB.glob("templates/*.html")):
        with template.open("rb") as file:
            yield from (str(found[1]) for found in extract("jinja2.ext:babel_extract", file, options=options))
    for module in sorted(WEB.glob("*.py")):
        with module.open("rb") as file:
            yield from (str(found[1]) for found in extract("python", file, keywords={"N_": None}))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_holds_every_message_and_no_other(language: str) -> None:
    po = WEB / "locale" / language / "LC_MESSAGES" / "messages.po"
    with po.open("rb") as file:
        catalogue = read_po(file, locale=language)
    translated = {str(m.id): str(m.string) for m in catalogue if m.id}
    assert set(translated) == set(message_ids())
    for message, text in translated.items():
        assert text.strip(), message
        assert sorted(re.findall(r"\{\w+\}|%\(\w+\)s", message)) == sorted(re.findall(r"\{\w+\}|%\(\w+\)s", text))
    assert not any(m.fuzzy for m in catalogue)


def test_the_scripts_ask_only_for_words_that_exist_and_no_word_is_left_over() -> None:
    scripts = "\n".join(script.read_text() for script in WEB.glob("static/*.js"))
    quoted = set(re.findall(r'"([a-z]+(?:_[a-z]+)*)"', scripts))
    asked = set(re.findall(r'\btext\(\s*"(\w+)"', scripts))
    assert asked <= set(PAGE)
    assert set(PAGE) <= quoted


def test_what_supervision_and_the_calendar_say_has_a_word() -> None:
    assert {cause.value for cause in Cause} <= set(attention_words.CAUSES)
    assert {state.name.lower() for state in Supervised} == set(attention_words.STATES)
    assert {kind.name.lower() for kind in Kind} == set(incident_words.SCOPES)
    assert set(calendar_rows.NETWORKS) == set(vocabulary.OPERATORS)
    assert {one.source for one in DEFAULTS.values()} == set(profiles.SOURCES)
    assert {row[4] for row in calendar_rows.ROWS} | {cost_compare.SOURCE} == set(planner_words.SOURCES)


def test_networks_and_municipalities_stand_by_their_names_and_figures_as_the_language_writes_them() -> None:
    swedish, english = (texts.Words(language, ZoneInfo("Europe/Stockholm")) for language in ("sv", "en"))
    towns = {1290: "Kristianstad"}
    said = [
        incident_words.scope(swedish, {"kind": kind, "name": name}, towns)
        for kind, name in (
            ("operator", "24001"), ("cell", "24008 1290"), ("path", "24007 / emnify"), ("district", "1290: Norr"),
            ("district", "7: Norr"), ("operator", "Wi-Fi"), ("network", "99999"), ("fleet", ""),
        )
    ]  # fmt: skip
    assert said == [
        "operatör Telia", "cellområde Telenor 1290", "operatör och SIM-utgivare Tele2 / emnify",
        "område Kristianstad, Norr", "område 7: Norr", "operatör Wi-Fi", "radionät 99999", "alla enheter",
    ]  # fmt: skip
    assert (swedish.number(38500), swedish.number(0.4), english.number(38500.06)) == ("38\xa0500", "0,4", "38,500.1")
    assert (swedish.number(None), swedish.number(float("nan")), swedish.number("x")) == ("", "nan", "x")
    assert planner_words.difference(english, -1.7) == "−1.7" and planner_words.difference(english, 0.01) == ""


def test_every_code_of_the_alarm_path_has_a_word() -> None:
    assert set(texts.KINDS) == alarms.KNOWN_KINDS
    assert set(texts.OUTCOMES) == set(OUTCOMES)
    assert set(texts.PRIORITIES) == {alarms.ACUTE, alarms.HIGH, alarms.NORMAL, alarms.TECHNICAL}
    marks = set(re.findall(r'found\.append\("(\w+)"\)', Path(alarms.__file__).read_text()))
    assert marks
    assert marks | {alarms.STUCK, alarms.UNPROVEN, "replay"} <= set(texts.MARKS)


def test_every_change_that_the_case_log_may_hold_has_a_word() -> None:
    migrations = sorted((WEB.parent / "store" / "migrations").glob("*.sql"))
    lists = [found for m in migrations for found in re.findall(r"CHECK \(change IN \(([^)]*)\)", m.read_text())]
    changes = set(re.findall(r"'(\w+)'", lists[-1]))
    assert {"escalated", "moved", "told"} <= changes
    assert changes <= set(texts.CHANGES)


def test_every_code_of_units_and_centres_has_a_word() -> None:
    assert set(vocabulary.REBOOTS) == {code for code, _ in reboot_names.NAMES}
    wire = {name: value for name, value in vars(messages).items() if isinstance(value, int)}
    for table, prefix in (
        (vocabulary.ORDERS, "COMMAND_"), (vocabulary.RESULTS, "RESULT_"), (vocabulary.RADIOS, "RADIO_"),
        (texts.BEARERS, "BEARER_"),
    ):  # fmt: skip
        assert set(table) == {value for name, value in wire.items() if name.startswith(prefix)}, prefix
    assert set(vocabulary.HEALTH) == {state.value for state in State}
    assert set(vocabulary.SIGNS) == {sign.value for sign in Sign}
    events = [technicians.consequence_of(kind, {1: 1, 2: 0}) for kind in range(1, 20)]
    assert {one.task.kind for one in events if one.task} <= set(vocabulary.TASKS)
    assert {one.condition.name for one in events if one.condition} <= set(vocabulary.CONDITIONS)


def test_details_of_any_shape_are_shown() -> None:
    words = texts.Words("en", ZoneInfo("UTC"))
    said = {
        "percent": 11,
        "why": "chatters",
        "text": "x",
        "odd": [1],
        "silent_s": "long",
        "unix_s": 1 << 70,
        "radio": {},
    }
    assert vocabulary.detail(words, said) == "odd: [1], 11 %, radio: {}, long, x, closes 2106-02-07, chatters"
