"""The words for what technicians see: tasks, conditions, units' states, orders and centres.

A code without a word of its own is shown as the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fleet.web import attention_words
from fleet.web.texts import BEARERS, N_, PAGE, Table, Words

TASKS: Table = {
    "stuck input": N_("Button stuck"),
    "pendant missed": N_("Pendant not heard"),
    "pendant battery low": N_("Pendant's battery low"),
    "battery low": N_("Battery low"),
    "fault": N_("Fault"),
    "SIM not proven": N_("SIM not proven"),
    "paths not diverse": N_("Both SIMs on one network"),
    "technology closing": N_("Network technology closes"),
    "SIM moved": N_("SIM in another place"),
    "modem changed": N_("Another modem"),
    "drill missed": N_("Drill that never came"),
    "drill": N_("Drill that never came"),
    "silent": N_("Unit silent"),
    "network closed": N_("Network closed: go there"),
    "unknown at centre": N_("Not known at the alarm centre"),
}
CONDITIONS: Table = {
    **TASKS,
    "mains lost": N_("No mains"),
    "not worn": N_("Not worn"),
    "SIM changed": N_("SIM changed"),
}
_SLOTTED = ("SIM moved", "SIM not proven", "technology closing")
RADIOS: Table = {1: "GSM", 2: "UMTS", 3: "LTE", 4: "LTE-M", 5: "NB-IoT", 6: "Wi-Fi", 7: "Ethernet"}
OPERATORS: Table = {
    24001: "Telia", 24002: "Tre", 24007: "Tele2", 24008: "Telenor", 24024: "Net4Mobility", 24201: "Telenor (NO)",
    24202: "Telia (NO)", 24405: "Elisa", 24412: "DNA", 24491: "Telia (FI)",
}  # fmt: skip
STUCK_WHY: Table = {"closed": N_("stays closed"), "chatters": N_("chatters")}
SIM_REASONS: Table = {
    "no receipt": N_("no receipt"),
    "registration lost": N_("registration lost"),
    "exercise": N_("exercise"),
    "return": N_("return"),
    "heartbeat unanswered": N_("heartbeat unanswered"),
    "policy": N_("policy"),
}
# Memfault's codes, as units report them (docs/wire.md).
REBOOTS: Table = {
    0x0000: N_("unknown"),
    0x0001: N_("switched off"),
    0x0002: N_("restart on command"),
    0x0003: N_("update"),
    0x0004: N_("battery empty"),
    0x0007: N_("power on or brown-out"),
    0x0008: N_("restart by the firmware"),
    0x0009: N_("deep sleep"),
    0x000A: N_("reset pin"),
    0x8000: N_("reset without a note"),
    0x8001: N_("failed assertion"),
    0x8003: N_("brown-out"),
    0x8005: N_("hardware watchdog"),
    0x8006: N_("task over its limit"),
    0x8008: N_("unhandled error"),
    0x8009: N_("update failed"),
    0x800A: N_("out of memory"),
    0x800B: N_("stack overflow"),
}
ORDERS: Table = {
    1: N_("Challenge"),
    2: N_("Drill"),
    3: N_("Status"),
    4: N_("SIM policy"),
    5: N_("Heartbeat"),
    6: N_("Search"),
    7: N_("Switch SIM"),
    8: N_("Reboot"),
}
RESULTS: Table = {
    0: N_("done"),
    1: N_("unknown to the unit"),
    2: N_("arguments not accepted"),
    3: N_("not now"),
    4: N_("not for this kind of unit"),
}
UNIT_STATES: Table = {"active": N_("in use"), "revoked": N_("revoked")}
HEALTH: Table = {
    "good": N_("Good"),
    "doubted": N_("Doubted"),
    "down": N_("Down"),
    "probing": N_("Being probed"),
    "failing_back": N_("Coming back"),
}
SIGNS: Table = {
    "delivered": N_("alarm delivered"),
    "alarm unanswered": N_("alarm unanswered"),
    "units refused": N_("unit after unit refused"),
    "probe answered": N_("probe answered"),
    "probe unanswered": N_("probe unanswered"),
}
TROUBLES: Table = {
    "unit": N_("Unit not known there"),
    "authentication": N_("Our password is refused"),
    "certificate": N_("The certificate is not the centre's"),
    "configuration": N_("The configuration cannot be used"),
    "refusing": N_("Refuses unit after unit"),
}
TAKEN_BY: Table = {
    "console": N_("on this server's alarm page"),
    "webhook": N_("the centre calls this server"),
    "protocol": N_("the centre's protocol says so"),
    "none": N_("never reported: nobody else is called when nobody takes an alarm there"),
}
PROTOCOLS: Table = {
    "dc09": "SIA DC-09", "scaip": "SCAIP", "sos_access": "SOS Access", "webhook": "webhook", "jsonl": "JSON lines",
}  # fmt: skip
FLAG_MAINS_LOST, FLAG_CHARGING, FLAG_NOT_WORN = 1, 2, 4
BATTERY_LOW = 20
"""Percent at or below which a page says that a battery is low."""


def part(words: Words, kind: str, number: int | None) -> str:
    """Which part of a unit a task or condition is about: a button, a SIM, a fault's code; empty for the unit itself."""
    if number is None or number < 0:
        return ""
    if kind in _SLOTTED:
        return f"SIM {number + 1}"
    return words.fill(N_("code {n}"), n=number) if kind == "fault" else words.input(number)


def detail(words: Words, said: Mapping[str, Any]) -> str:
    """What a task or condition says besides. What is not known here, or of an odd shape, is shown as it was said."""
    return ", ".join(_said(words, name, value) for name, value in sorted(said.items()))


def _said(words: Words, name: str, value: Any) -> str:
    if name == "last_day" and isinstance(value, str):
        return words.fill(N_("last day {day}"), day=value)
    if name == "what_helps" and isinstance(value, str):
        return words.fill(N_("helps: {what}"), what=words.word(attention_words.HELPS, value))
    if isinstance(value, str):
        return words.word(_TEXTS.get(name, {}), value)
    if name == "operators" and isinstance(value, list):
        return ", ".join(operator(words, one) for one in value)
    if isinstance(value, int) and name in _NUMBERS:
        return _NUMBERS[name](words, value)
    return f"{name}: {value}"


def operator(words: Words, code: int | str) -> str:
    """A network by its name, where its number on the air (MCC and MNC) has one here."""
    number = int(code) if str(code).isdecimal() else 0
    return words.word(OPERATORS, number) if number in OPERATORS else words.fill(N_("operator {n}"), n=code)


_TEXTS: Mapping[str, Table] = {
    "why": STUCK_WHY, "reason": SIM_REASONS, "state": attention_words.STATES, "cause": attention_words.CAUSES,
}  # fmt: skip
_NUMBERS: Mapping[str, Callable[[Words, int], str]] = {
    "silent_s": lambda words, n: words.fill(N_("silent for {age}"), age=words.age(n)),
    "percent": lambda words, n: f"{n} %",
    "millivolts": lambda words, n: f"{n} mV",
    "count": lambda words, n: words.fill(N_("{n} times"), n=n),
    "slot": lambda words, n: f"SIM {n + 1}",
    "radio": lambda words, n: words.word(RADIOS, n),
    "operator": operator,
    "unix_s": lambda words, n: words.fill(N_("closes {day}"), day=_day(n)),
}


def _day(unix_s: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(max(unix_s, 0), 0xFFFFFFFF))).strftime("%Y-%m-%d")


def reboot(words: Words, code: int | None) -> str:
    """Why a unit started last, in words; empty where it did not say."""
    return "" if code is None else words.word(REBOOTS, code) if code in REBOOTS else f"0x{code:04x}"


def way(words: Words, bearer: int | None, code: int | None, radio: int | None) -> str:
    """How a unit was last heard: bearer, operator and radio technology."""
    network = operator(words, code) if code is not None else ""
    technology = words.word(RADIOS, radio) if radio is not None else ""
    said = words.word(BEARERS, bearer)
    return ", ".join(one for one in (said, network, technology if technology != said else "") if one)


def order_state(words: Words, order: Mapping[str, Any], at: datetime) -> str:
    """What has become of an order: answered, sent, waiting, or too late."""
    if order["answered_at"] is not None:
        return words.fill(
            N_("answered {time}: {result}"),
            time=words.time(order["answered_at"]), result=words.word(RESULTS, order["result"]),
        )  # fmt: skip
    if order["expires_at"] is not None and datetime.fromisoformat(order["expires_at"]) <= at:
        return words.fill(N_("its time is over: not sent any more"))
    if order["sent_at"] is not None:
        return words.fill(N_("sent {time}, no answer yet"), time=words.time(order["sent_at"]))
    return words.fill(N_("waits for the unit's next message"))


def overdue(words: Words, due_at: str | None, at: datetime) -> str:
    """How long a unit has been silent beyond what it announced; empty where it is in time."""
    if due_at is None:
        return ""
    late = (at - datetime.fromisoformat(due_at)).total_seconds()
    return words.fill(N_("overdue since {age}"), age=words.age(late)) if late > 0 else ""


def pressed_input(words: Words, number: int) -> str:
    """Which button a proof is of."""
    return words.input(number) or words.fill(PAGE["own_button"])
