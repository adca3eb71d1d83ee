"""What is wrong with a row of an import, in the reader's language. Rows are judged in English sentences, which the
command line and the API give as they are; a page finds the sentence again and says it in its own words.
"""

from __future__ import annotations

import re
from typing import Final

from fleet.web.texts import N_, Table, Words

WRONG: Table = {
    "file": N_("Choose a file whose name ends with .csv or .json."),
    "another": N_("This is another file, or other wishes, than what was looked at. Nothing was written: look again."),
    "key": N_("This server has no key, so it cannot seal a person. Tell whoever runs it."),
    "database": N_("The database does not take a row of this file. Nothing was written."),
}
FIELDS: Table = {"line": N_("Line"), "field": N_("Field"), "why": N_("What to do")}

WHY: Final = (
    N_("is missing"),
    N_("cannot be read"),
    N_("write unit or recipient, and no more cells than there are columns"),
    N_("a {kind} has no such field"),
    N_("write a whole number from {low} to {high}"),
    N_("write a unit's id: 8 hex digits, for example 0000002a"),
    N_("write one of {choices}"),
    N_("write at most {most} printable characters"),
    N_("write a time with its zone, for example 2026-11-22T08:00:00+01:00"),
    N_("write a time with its zone, between 1971 and 2999"),
    N_("write yes or no"),
    N_("write SLOT:ICCID or SLOT:ICCID:ISSUER with blanks between, for example 1:8946071512360089522:Telia"),
    N_("write NUMBER:KIND or NUMBER:KIND:SERIAL with blanks between, for example 0:own 1:pendant:A17"),
    N_("button 0 is the unit's own, and no other one is"),
    N_("a person has a name and an address"),
    N_("belongs to a unit that is absent, and to no other"),
    N_("is missing: a role belongs to somebody"),
    N_("is missing: a unit that is {life} is meant for somebody"),
    N_("a unit that is {life} belongs to nobody"),
    N_("of a unit that is {life} is {role}"),
    N_("stands in line {line} already"),
    N_("is unknown: add it with `livlina municipality add`"),
    N_("the unit belongs to another municipality: return and clean it there first"),
    N_("the unit is registered as {kind}: make it anew, or mend the file"),
    N_("the unit is {life}: its life is changed by its events, not by an import"),
    N_("is unknown: add a row of kind recipient with this reference"),
    N_("has unit {unit} of this type already: replace it by pairing the new one"),
    N_("has a unit of this type in line {line} already"),
    N_("is neither made, in_stock nor assigned: say that units in the file are in use, or pair it"),
    N_("is a person: say that the file holds persons and they are to be sealed"),
    N_("is not among those that you import for"),
    N_("persons under a transfer key come in by `livlina fleet import --sealed`"),
)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("".join(f"(?P<{part[1:-1]}>.*)" if part.startswith("{") else re.escape(part)
                              for part in re.split(r"(\{\w+\})", text)))  # fmt: skip


_PATTERNS: Final = tuple((text, _pattern(text)) for text in WHY)


def why(words: Words, sentence: str) -> str | None:
    """The sentence in the reader's language, or None for one that has no words here: then it is shown in English."""
    for text, pattern in _PATTERNS:
        found = pattern.fullmatch(sentence)
        if found is not None:
            return words.word({text: text}, text).format(**found.groupdict())
    return None
