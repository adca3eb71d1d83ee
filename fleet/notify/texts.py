"""What a message says: topics, unit ids and numbers of incidents. Nothing personal, whoever reads it on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from fleet.notify.model import INCIDENT, TOPICS

MOST_NAMED: Final = 8
_WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "sv": {
            "head": "Livlina: att se till",
            INCIDENT: "Störning",
            "silent": "Tysta enheter",
            "network_closed": "Nätet stängt, åk dit",
            "battery": "Svagt batteri",
            "button": "Knapp som inte hörs",
            "fault": "Fel",
            "sim": "SIM och nät",
            "more": "och {n} till",
        },
        "en": {
            "head": "Livlina: to be seen to",
            INCIDENT: "Incident",
            "silent": "Silent units",
            "network_closed": "Network closed, go there",
            "battery": "Battery low",
            "button": "Button not heard",
            "fault": "Fault",
            "sim": "SIM and network",
            "more": "and {n} more",
        },
    }
)


class Line(NamedTuple):
    """One item of a message. ``number`` is a unit's, or an incident's."""

    topic: str
    municipality: str
    number: int


def text_of(lines: Sequence[Line], language: str) -> str:
    """The message: a line for each topic and municipality, the incidents first, and no more than a few units named."""
    words = _WORDS[language]
    found = [words["head"]]
    for topic in TOPICS:
        places: dict[str, list[int]] = {}
        for line in lines:
            if line.topic == topic:
                places.setdefault("" if topic == INCIDENT else line.municipality, []).append(line.number)
        for place, numbers in sorted(places.items()):
            shown = sorted(set(numbers))
            named = ", ".join(str(one) if topic == INCIDENT else f"{one:08x}" for one in shown[:MOST_NAMED])
            rest = len(shown) - MOST_NAMED
            more = " " + words["more"].replace("{n}", str(rest)) if rest > 0 else ""
            where = f", {place}" if place else ""
            found.append(f"{words[topic]}{where}: {named}{more}")
    return "\n".join(found)
