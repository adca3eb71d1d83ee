"""Simulated accounts at SIM providers, and the adapters for them, on one clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fleet.connectivity.decide import check_digit
from fleet.connectivity.provider import Provider
from fleet.connectivity.provider_emnify import Emnify
from fleet.connectivity.provider_onence import OneNce
from fleet.connectivity.provider_rest import Rest
from sim.providers.account import Account, Card, serve
from sim.providers.emnify import EmnifyAccount
from sim.providers.onence import OneNceAccount
from sim.providers.rest import OPTIONS, RestAccount

KINDS = ("emnify", "onence", "rest")
SUSPENDED = {"emnify": "2", "onence": "Disabled", "rest": "parked"}
ACTIVE = {"emnify": "1", "onence": "Enabled", "rest": "in_use"}
SECRET = "client:opens-the-account"
MADE: dict[str, type[Account]] = {"emnify": EmnifyAccount, "onence": OneNceAccount, "rest": RestAccount}


class Time:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


def iccid_of(number: int) -> str:
    body = f"894600000000{number:07d}"
    return body + str(check_digit(body))


@dataclass
class Scene:
    kind: str
    account: Account
    url: str
    time: Time
    provider: Provider


def open_provider(kind: str, url: str, steady: Callable[[], float], secret: str = SECRET) -> Provider:
    if kind == "emnify":
        return Emnify(url, secret, steady=steady)
    if kind == "onence":
        return OneNce(url, secret, steady=steady)
    return Rest(url, secret, OPTIONS, steady=steady)


@contextmanager
def account(kind: str, cards: int = 3, **options: Any) -> Iterator[Scene]:
    """Cards 1 to that many, suspended, behind HTTP on loopback."""
    time = Time()
    made = {iccid_of(n): Card(iccid_of(n), n, SUSPENDED[kind]) for n in range(1, cards + 1)}
    simulated = MADE[kind](time, SECRET, made, **options)
    with serve(simulated) as url:
        yield Scene(kind, simulated, url, time, open_provider(kind, url, time))
