"""The words of printed reports, Swedish and English. The pages' own catalogue is above this domain."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("sv", "en")

WORDS: Final[dict[str, tuple[str, str]]] = {
    "month": ("Månadsrapport", "Month report"),
    "case": ("Händelserapport", "Incident report"),
    "municipality": ("Kommun", "Municipality"),
    "made_at": ("Framställd", "Made at"),
    "incomplete": ("Månaden är inte slut: siffrorna är preliminära.", "The month is not over: the figures may change."),
    "alarms": ("Larm", "Alarms"),
    "cases": ("Ärenden", "Cases"),
    "presses": ("Tryck", "Presses"),
    "acute": ("Akuta", "Acute"),
    "untaken": ("Inte mottagna av en person", "Not taken by a person"),
    "by_type": ("Efter slag", "By type"),
    "by_outcome": ("Efter avslut", "By outcome"),
    "response": ("Svarstider", "Response times"),
    "centre": ("Mottaget till larmcentralens kvittens", "Received until a centre has accepted"),
    "person": ("Tryck till mottaget av en person", "Press until a person has taken"),
    "answered": ("Besvarade", "Answered"),
    "within_60": ("Inom 60 s", "Within 60 s"),
    "within_180": ("Inom 180 s", "Within 180 s"),
    "median": ("Median", "Median"),
    "p95": ("95:e percentilen", "95th percentile"),
    "longest": ("Längst", "Longest"),
    "yardstick": ("Riktmärke: 97,5 % inom 60 s, 99 % inom 180 s", "Yardstick: 97.5 % within 60 s, 99 % within 180 s"),
    "reached": ("nått", "reached"),
    "missed": ("inte nått", "not reached"),
    "late": ("Sena larm", "Late alarms"),
    "late_presses": ("Tryck som kom mer än 60 s sent", "Presses that came more than 60 s late"),
    "tests": ("Provlarm", "Tests"),
    "test_count": ("Provlarm", "Tests"),
    "buttons": ("Provade knappar", "Buttons tested"),
    "units_tested": ("Enheter med en provad knapp", "Units with a tested button"),
    "availability": ("Tillgänglighet", "Availability"),
    "percent": ("Enheternas tillgänglighet", "Availability of units"),
    "units_away": ("Enheter som varit borta", "Units that were away"),
    "longest_away": ("Längst borta", "Longest away"),
    "units": ("Enheter i drift", "Units in use"),
    "costs": ("Kostnader", "Costs"),
    "sum": ("Summa", "Sum"),
    "of_alarms": ("För larm", "For alarms"),
    "of_units": ("För enheter", "For units"),
    "unit": ("Enhet", "Unit"),
    "state": ("Läge", "State"),
    "outcome": ("Avslut", "Outcome"),
    "held": ("Vem som hade larmet", "Who had the alarm"),
    "events": ("Vad som hände", "What happened"),
    "who": ("Vem", "Who"),
    "since": ("Från", "From"),
    "until": ("Till", "Until"),
    "at": ("Tid", "Time"),
    "what": ("Händelse", "Event"),
    "place": ("Plats i kedjan", "Place in the chain"),
    "fleet": ("Livlina, ännu ingen larmcentral", "Livlina, no centre yet"),
    "now": ("nu", "now"),
    "head": ("Signerat kedjehuvud", "Signed head of the chain"),
    "no_head": ("Ännu inte signerat", "Not signed yet"),
    "page": ("Sida", "Page"),
    "unit.pressed": ("tryck mottaget", "press received"),
    "unit.told_accepted": ("enheten fick veta: kvitterat", "unit told: accepted"),
    "unit.told_taken": ("enheten fick veta: mottaget av en person", "unit told: taken by a person"),
    "centre.delivered": ("levererat till larmcentral", "delivered to a centre"),
    "case.opened": ("ärendet öppnat", "case opened"),
    "case.repeated": ("nytt tryck i ärendet", "another press of the case"),
    "case.accepted": ("larmcentralen har larmet", "a centre has the alarm"),
    "case.refused": ("larmcentralen nekade", "refused by a centre"),
    "case.taken": ("mottaget av en person", "taken by a person"),
    "case.closed": ("avslutat", "closed"),
    "case.tested": ("provlarm", "test"),
    "case.moved": ("flyttat till den andra larmcentralen", "moved to the other centre"),
    "case.escalated": ("eskalerat", "escalated"),
    "case.told": ("en person meddelades", "a person was told"),
    "case.stuck": ("knappen sitter fast", "button stuck"),
    "case.released": ("knappen lossnade", "button released"),
    "case.fresh": ("trycket styrkt som nytt", "press proven fresh"),
}
"""By key: Swedish, English."""


def word(key: str, language: str) -> str:
    """The word, or the key itself for what has none (an outcome, a unit's type)."""
    found = WORDS.get(key)
    return key if found is None else found[LANGUAGES.index(language)]
