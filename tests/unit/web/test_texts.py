"""Every word of the pages exists in both languages, and the scripts ask only for words that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from fleet.alarms import decide as alarms
from fleet.web import texts
from fleet.web.model import OUTCOMES
from fleet.web.texts import LANGUAGES, PAGE

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


def test_every_code_of_the_alarm_path_has_a_word() -> None:
    assert set(texts.KINDS) == alarms.KNOWN_KINDS
    assert set(texts.OUTCOMES) == set(OUTCOMES)
    assert set(texts.PRIORITIES) == {alarms.ACUTE, alarms.HIGH, alarms.NORMAL, alarms.TECHNICAL}
    marks = set(re.findall(r'found\.append\("(\w+)"\)', Path(alarms.__file__).read_text()))
    assert marks
    assert marks <= set(texts.MARKS)
