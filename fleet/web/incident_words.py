"""The words for incidents: what one is about, how its members stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.web import attention_words, vocabulary
from fleet.web.texts import N_, Table, Words

KINDS: Table = {"outage": N_("Outage"), "power": N_("Power cut")}
SCOPES: Table = {
    "operator": N_("operator"), "issuer": N_("SIM issuer"), "network": N_("radio network"), "apn": N_("APN"),
    "district": N_("district"), "cell": N_("cell area"), "firmware": N_("version"), "link": N_("front door"),
    "fleet": N_("all units"), "path": N_("operator and SIM issuer"),
}  # fmt: skip
UNHEARD: Table = {
    "silent": N_("silent"), "off": N_("switched off or empty"), "no_power": N_("without power"),
    "no_network": N_("without network"),
}  # fmt: skip
STATES: Table = {**attention_words.STATES, "known": N_("heard again")}
RETURNS: Table = {"back": N_("back on its path"), "other path": N_("on its other path")}
BEGIN_WITH_A_NETWORK = frozenset({"operator", "network", "cell", "path"})


def scope(words: Words, part: Mapping[str, Any], towns: Mapping[int, str]) -> str:
    """One thing that an incident is about: its kind and its name, networks and municipalities by their names."""
    kind, name = str(part.get("kind")), str(part.get("name"))
    if kind in BEGIN_WITH_A_NETWORK:
        code, blank, rest = name.partition(" ")
        name = f"{words.word(vocabulary.OPERATORS, int(code))}{blank}{rest}" if code.isdecimal() else name
    elif kind == "district":
        name = district(name, towns)
    return f"{words.word(SCOPES, kind)} {name}".rstrip()


def district(name: str, towns: Mapping[int, str]) -> str:
    """A district as supervision names it (``1290: Norr``) with its municipality's name, where that is known."""
    number, colon, rest = name.partition(": ")
    return f"{towns[int(number)]}, {rest}" if colon and number.isdecimal() and int(number) in towns else name
