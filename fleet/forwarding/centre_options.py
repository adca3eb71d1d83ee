"""What may be configured of a centre besides its address, protocol by protocol, and what its secret is.

The tables are the one place: the command line checks by them, links are made by them, docs/centres.md is held against
them. An option is never a secret. Values in the database are text, numbers and booleans; text is read as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fleet.forwarding.centre_tls import client_context
from protocols.centre.sia_dc09.cipher import Key
from protocols.centre.sia_dc09.frame import ADM_CID, SIA_DCS

SECRET_SET_AT = "secret_set_at"  # noqa: S105 - a time: it says when, and makes a changed secret a changed centre
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
LEAST_SIGNING_SECRET = 16
PING_LEVELS = {"25h": 90_000.0, "5h": 18_000.0, "180s": 180.0, "90s": 90.0, "none": 0.0}
"""Seconds of the service levels of SOS Access: at most 6 pings in each such time."""


class OptionError(ValueError):
    """What is configured of a centre cannot be; the message says what can, and never holds a secret."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its name, what a value looks like, the default, and what it is for, in one line.

    ``kind`` is word, choice, flag, number, account, hash, certificates, zone or url.
    """

    name: str
    kind: str
    default: str | bool | int | None
    meaning: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Secret:
    """What a protocol keeps secret: what it is, and whether a centre can do without."""

    meaning: str
    needed: bool


_CA = Option("ca", "certificates", None, "authority that signed the centre's certificate; default the system's")
_TLS_NAME = Option("tls_name", "word", None, "name in the centre's certificate; default its host")
_POSITIONS = Option("positions", "flag", True, "where a unit is goes there behind its alarm")
_PIN = Option("pin", "hash", None, "SHA-256 of the centre's certificate; then nothing else is believed")

OPTIONS: dict[str, tuple[Option, ...]] = {
    "dc09": (
        Option("form", "choice", SIA_DCS, "how an alarm is written", (SIA_DCS, ADM_CID)),
        Option("transport", "choice", "tcp", "how it is carried", ("tcp", "tls", "udp")),
        Option("probe_account", "account", "00000000", "account of link tests"),
        Option("utf8", "flag", False, "the receiver reads UTF-8; without it accents are taken off"),
        _POSITIONS, _CA, _TLS_NAME, _PIN,
    ),
    "scaip": (
        Option("transport", "choice", "udp", "how it is carried", ("udp", "tcp", "tls")),
        Option("user", "word", "arc", "the centre's SIP user"),
        Option("domain", "word", None, "domain in From; default our own address"),
        Option("username", "word", None, "our user in digest authentication; needs the secret"),
        Option("cid", "choice", "decimal10", "how a unit's number is written", ("decimal10", "decimal", "hex8")),
        Option("probe_cid", "word", "0000000000", "cid of heartbeats"),
        _POSITIONS, _CA, _TLS_NAME,
    ),
    "sos_access": (
        Option("transport", "choice", "tls", "how it is carried", ("tls", "tcp")),
        Option("transmitter", "word", None, "one code for the whole fleet; default each unit's number, 8 hex digits"),
        Option("probe_transmitter", "word", None, "transmitter code of pings; default transmitter, else 00000000"),
        Option("type", "word", "LIVL1", "transmitter type, 5 characters"),
        Option("receiver", "word", "1", "receiver, up to 20 characters"),
        Option("ping_level", "choice", "180s", "service level: how often pings may come", tuple(PING_LEVELS)),
        Option("rotate_days", "number", 0, "days after which a new password is asked for; 0 never"),
        Option("zone", "zone", "UTC", "time zone of the times that are told"),
        _POSITIONS, _CA, _TLS_NAME, _PIN,
    ),
    "webhook": (
        Option("url", "url", None, "set by --to: where to POST"),
        _POSITIONS, _CA,
    ),
    "jsonl": (
        Option("file", "word", None, "set by --to: the file's name, before its date is put in"),
        Option("keep_days", "number", 90, "days after which a file is deleted; 0 never"),
        Option("max_mb", "number", 1024, "MiB that all files may hold, the oldest go first; 0 without end"),
        _POSITIONS,
    ),
}  # fmt: skip

SECRETS: dict[str, Secret] = {
    "dc09": Secret("AES key of the accounts, 32, 48 or 64 hex digits; without one nothing is encrypted", False),
    "scaip": Secret("password of digest authentication", False),
    "sos_access": Secret("password of the transmitter, 15 characters", True),
    "webhook": Secret(f"text that signs, {LEAST_SIGNING_SECRET} characters or more", True),
    "jsonl": Secret("none", False),
}

SAYS_TAKEN = frozenset({"scaip"})
"""Protocols in which a centre can say by itself that a person has taken an alarm."""
WAYS_TO_REPORT = ("console", "webhook", "protocol", "none")

_ALIASES = {"sosaccess": "sos_access", "json-lines": "jsonl"}


def protocol_of(text: str) -> str:
    """The protocol's name as it is stored; ``sosaccess`` is another way to write it. Raises OptionError."""
    found = _ALIASES.get(text, text)
    if found not in OPTIONS:
        raise OptionError(f"--protocol {text[:40]!a}: choose one of dc09, scaip, sosaccess, webhook, jsonl")
    return found


def settle(protocol: str, given: Mapping[str, object]) -> dict[str, Any]:
    """Every option of the protocol: as given, else its default. Raises OptionError for the first one that cannot be."""
    table = {option.name: option for option in OPTIONS[protocol]}
    for name in given:
        if name not in table and name != SECRET_SET_AT:
            known = ", ".join(table)
            raise OptionError(f"{protocol} has no option {str(name)[:40]!a}: it has {known}")
    settled = {
        name: _value(option, given[name]) if given.get(name) is not None else option.default
        for name, option in table.items()
    }
    _check_together(protocol, settled, {name for name in given if given[name] is not None})
    return settled


def read_options(protocol: str, given: Mapping[str, object]) -> dict[str, Any]:
    """Only what was given, checked and typed, as it is stored. Raises OptionError."""
    settled = settle(protocol, given)
    return {name: settled[name] for name in given if name in settled}


def check_secret(protocol: str, options: Mapping[str, Any], secret: str | None) -> None:
    """Whether a secret fits; None is none. Raises OptionError, which never says the secret."""
    rule = SECRETS[protocol]
    if secret is None:
        if rule.needed or options.get("username") is not None:
            raise OptionError(f"{protocol} needs a secret ({rule.meaning}): name its file with --secret-file")
        return
    if protocol == "jsonl":
        raise OptionError("jsonl has no secret: leave --secret-file out")
    if protocol == "dc09":
        try:
            Key.from_hex(secret)
        except ValueError as error:
            raise OptionError(f"the secret is no key: {error}") from None
    if protocol == "sos_access" and (len(secret) != 15 or not secret.isascii() or not secret.isprintable()):
        raise OptionError("the secret is no password of SOS Access: that has 15 printable characters of ASCII")
    if protocol == "webhook" and len(secret) < LEAST_SIGNING_SECRET:
        raise OptionError(f"the secret is too short to sign with: {LEAST_SIGNING_SECRET} characters or more")
    if protocol == "scaip" and options.get("username") is None:
        raise OptionError("scaip: a password needs its user: --option username=NAME")


def check_reports(protocol: str, reports_taken: str | None) -> None:
    """Whether a centre of this protocol can report *taken* that way. Raises OptionError."""
    if reports_taken is not None and reports_taken not in WAYS_TO_REPORT:
        raise OptionError(f"--reports-taken: choose one of {', '.join(WAYS_TO_REPORT)}")
    if reports_taken == "protocol" and protocol not in SAYS_TAKEN:
        raise OptionError(
            f"--reports-taken protocol: {protocol} has no word for taken, {', '.join(sorted(SAYS_TAKEN))} has; choose "
            "console, webhook or none"
        )


def url_parts(url: str) -> tuple[str, int]:
    """Host and port of a webhook's address. Raises OptionError: https, or http on this machine, and no password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OptionError("that is no URL: write https://HOST/PATH") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isascii() or not url.isprintable():
        raise OptionError("that is no URL: write https://HOST/PATH")
    if parts.username is not None or parts.password is not None or parts.fragment or " " in url or len(url) > 1000:
        raise OptionError("a webhook's URL has no user, no password, no fragment and at most 1000 characters")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise OptionError("a webhook's URL begins with https: alarms would travel in the clear")
    return parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _value(option: Option, value: object) -> Any:  # noqa: PLR0912 - one branch a kind
    text = str(value)
    wrong = f"option {option.name}: "
    match option.kind:
        case "choice":
            if text not in option.choices:
                raise OptionError(wrong + f"choose one of {', '.join(option.choices)}")
            return text
        case "flag":
            if text.lower() not in {"true", "false", "yes", "no"}:
                raise OptionError(wrong + "write yes or no")
            return text.lower() in {"true", "yes"}
        case "number":
            if not re.fullmatch(r"[0-9]{1,4}", text):
                raise OptionError(wrong + "write a number from 0 to 9999")
            return int(text)
        case "account":
            if not re.fullmatch(r"[0-9A-Fa-f]{3,16}", text):
                raise OptionError(wrong + "write 3 to 16 hex digits")
            return text
        case "hash":
            plain = text.replace(":", "").lower()
            if not re.fullmatch(r"[0-9a-f]{64}", plain):
                raise OptionError(wrong + "write a SHA-256 as 64 hex digits")
            return plain
        case "certificates":
            try:
                client_context(text)
            except ValueError as error:
                raise OptionError(wrong + str(error)) from None
            return text
        case "zone":
            try:
                ZoneInfo(text)
            except (ValueError, OSError, KeyError):
                raise OptionError(wrong + "write a time zone such as Europe/Stockholm") from None
            return text
        case "url":
            url_parts(text)
            return text
    if not text or text != text.strip() or not text.isprintable() or len(text) > 255:
        raise OptionError(wrong + "write 1 to 255 printable characters, without blanks at the ends")
    return text


def _check_together(protocol: str, settled: Mapping[str, Any], given: set[str]) -> None:
    if settled.get("transport") != "tls" and protocol not in {"webhook", "jsonl"}:
        for name in ("ca", "tls_name", "pin"):
            if name in given:
                raise OptionError(f"option {name}: it belongs to transport=tls")
    if settled.get("pin") is not None and settled.get("ca") is not None:
        raise OptionError("option pin: a pinned certificate needs no ca; give one of the two")
    if protocol != "sos_access":
        return
    for name, least, most in (
        ("transmitter", 1, 15),
        ("probe_transmitter", 1, 15),
        ("type", 5, 5),
        ("receiver", 1, 20),
    ):
        value = settled[name]
        if value is not None and not (least <= len(value) <= most and value.isascii() and value != "None"):
            raise OptionError(f"option {name}: it has {least} to {most} characters of ASCII")
    if settled["rotate_days"] and settled["transmitter"] is None:
        raise OptionError("option rotate_days: a password is of one transmitter, so transmitter=CODE must be given")
