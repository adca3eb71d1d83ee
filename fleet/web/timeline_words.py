"""The words for a unit's timeline: what an entry is, and what it says. A code without a word is shown as the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.web import attention_words, life_words, vocabulary
from fleet.web.incident_words import KINDS as INCIDENTS
from fleet.web.texts import BEARERS, N_, Table, Words

SOURCES: Table = {
    "press": N_("Press"), "accepted": N_("Receipt"), "taken": N_("Receipt"), "proof": N_("Button proven"),
    "event": N_("Said by the unit"), "state": N_("State"), "step": N_("Tried"), "incident": N_("Incident"),
    "life": N_("Life"), "order": N_("Order"), "answer": N_("Answer"), "task": N_("Task"),
    "task_closed": N_("Task closed"), "way": N_("Way"),
}  # fmt: skip
EVENTS: Table = {
    2: N_("mains lost"), 3: N_("mains back"), 4: N_("battery low"), 5: N_("a fault"), 6: N_("a button is stuck"),
    7: N_("the button is released"), 8: N_("a pendant is not heard"), 9: N_("the pendant is heard again"),
    10: N_("a pendant's battery is low"), 11: N_("not worn"), 12: N_("worn again"), 13: N_("changed to its other SIM"),
    14: N_("tried its spare SIM"), 15: N_("both SIMs are on one network"), 16: N_("a network technology closes"),
    17: N_("the press was taken back"),
}  # fmt: skip
STEPS: Table = {
    "probe path": N_("its path was tried"), "probe spare": N_("its spare path was tried"),
    "sms wake": N_("woken by SMS"), "ask sim provider": N_("its SIM provider was asked"),
}  # fmt: skip
OUTCOMES: Table = {
    "ordered": N_("ordered"), "sent": N_("sent"), "too late": N_("too late"), "heard meanwhile": N_("heard meanwhile"),
    "no number": N_("no number"), "no gateway": N_("no gateway"), "too many a minute": N_("too many a minute"),
    "attached": N_("attached"), "not attached": N_("not attached"),
}  # fmt: skip
FATES: Table = {
    "presumed": N_("presumed without a path"), "on battery": N_("on battery"), "down": N_("without a path"),
    "other path": N_("on its other path"), "back": N_("back"),
}  # fmt: skip


def said(words: Words, source: str, detail: Mapping[str, Any]) -> str:
    """What an entry says, in one line."""
    return _SAID[source](words, detail) if source in _SAID else ""


def _press(words: Words, of: Mapping[str, Any]) -> str:
    age = of.get("age_s")
    late = words.fill(N_("{age} after the press"), age=words.age(age)) if isinstance(age, int) and age > 60 else ""
    parts = (words.kind(of["kind"]), words.input(of.get("input")), words.word(BEARERS, of.get("bearer")), late)
    return ", ".join(part for part in parts if part)


def _proof(words: Words, of: Mapping[str, Any]) -> str:
    return ", ".join((words.input(of.get("input")), words.word(BEARERS, of.get("bearer"))))


def _state(words: Words, of: Mapping[str, Any]) -> str:
    was, now = (words.word(attention_words.STATES, of.get(name)) for name in ("was", "state"))
    cause = words.word(attention_words.CAUSES, of.get("cause"))
    about = "" if of.get("incident") is None else ", " + words.fill(N_("incident {n}"), n=of["incident"])
    return f"{was} → {now}: {cause}{about}"


def _step(words: Words, of: Mapping[str, Any]) -> str:
    outcome = words.word(OUTCOMES, of.get("outcome"))
    return words.word(STEPS, of.get("step")) + (f": {outcome}" if outcome else "")


def _incident(words: Words, of: Mapping[str, Any]) -> str:
    over = words.fill(N_("it is over")) if of.get("closed") else ""
    what = f"{words.word(INCIDENTS, of.get('kind'))} {of.get('incident')}: {words.word(FATES, of.get('fate'))}"
    return f"{what}, {over}" if over else what


def _life(words: Words, of: Mapping[str, Any]) -> str:
    was, became = (words.word(life_words.LIVES, of.get(name)) for name in ("was", "became"))
    return f"{was} → {became}"


def _task(words: Words, of: Mapping[str, Any]) -> str:
    part = of.get("part")
    about = "" if part is None else ", " + vocabulary.part(words, str(of.get("kind")), part)
    number = words.fill(N_("task {n}"), n=of.get("task"))
    return f"{words.word(vocabulary.TASKS, of.get('kind'))}{about} ({number})"


def _task_closed(words: Words, of: Mapping[str, Any]) -> str:
    return f"{_task(words, of)}: {words.actor(str(of.get('actor', '')))}"


def _way(words: Words, of: Mapping[str, Any]) -> str:
    was = vocabulary.way(words, of.get("was_bearer"), of.get("was_operator"), of.get("was_radio"))
    return f"{was} → {vocabulary.way(words, of.get('bearer'), of.get('operator'), of.get('radio'))}"


_SAID: Mapping[str, Callable[[Words, Mapping[str, Any]], str]] = {
    "press": _press,
    "accepted": lambda words, of: words.fill(N_("the centre has it (case {n})"), n=of.get("case")),
    "taken": lambda words, of: words.fill(N_("a person has taken it (case {n})"), n=of.get("case")),
    "proof": _proof,
    "event": lambda words, of: words.word(EVENTS, of.get("kind")),
    "state": _state,
    "step": _step,
    "incident": _incident,
    "life": _life,
    "order": lambda words, of: words.word(vocabulary.ORDERS, of.get("kind")),
    "answer": lambda words, of: (
        f"{words.word(vocabulary.ORDERS, of.get('kind'))}: {words.word(vocabulary.RESULTS, of.get('result'))}"
    ),
    "task": _task,
    "task_closed": _task_closed,
    "way": _way,
}
