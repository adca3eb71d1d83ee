"""The networks that a card may use: who carries whom, and what is on the air. Several modems may share one.

Two operators may stand on one radio network: when it is down, both are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sim.modem.scenario import Card, Network, Operator, Scenario

HOME, SEARCHING, DENIED, ROAMING = 1, 2, 3, 5


@dataclass(frozen=True)
class Serving:
    """What a card gets: `stat` as in +CEREG, the operator and network that carry it, the cause of a refusal."""

    stat: int
    operator: Operator | None = None
    network: Network | None = None
    cause: int = 0


class Radio:
    """Networks that go up and down, and causes of refusal by card, changed while everything runs."""

    def __init__(self, scenario: Scenario) -> None:
        self._networks = {one.name: one for one in scenario.networks}
        self._operators = {one.name: one for one in scenario.operators}
        self._up = {one.name: one.up for one in scenario.networks}
        self._causes: dict[str, int] = {one.iccid: one.cause for one in scenario.cards}
        self._listeners: list[Callable[[], None]] = []

    def listen(self, changed: Callable[[], None]) -> None:
        """Hear that something has changed."""
        self._listeners.append(changed)

    def set_network(self, name: str, up: bool) -> None:
        """Switch a network's masts on or off."""
        if name not in self._up:
            raise KeyError(f"there is no network {name}")
        self._up[name] = up
        self._tell()

    def change(self, name: str, **fields: Any) -> None:
        """A network has another signal, cell or area from now on (fields of scenario.Network)."""
        self._networks[name] = replace(self._networks[name], **fields)
        self._tell()

    def set_cause(self, card: Card, cause: int) -> None:
        """From now on the card is refused so; 0 accepts it."""
        self._causes[card.iccid] = cause
        self._tell()

    def _tell(self) -> None:
        for changed in self._listeners:
            changed()

    def serve(self, card: Card) -> Serving:
        """What the card gets now: home before roaming, any of an operator's networks."""
        for name in (card.operator, *card.roams):
            operator = self._operators[name]
            for network in operator.networks:
                if self._up[network]:
                    if self._causes[card.iccid]:
                        return Serving(DENIED, cause=self._causes[card.iccid])
                    return Serving(
                        HOME if name == card.operator else ROAMING, operator, self._networks[network]
                    )  # fmt: skip
        return Serving(SEARCHING)
