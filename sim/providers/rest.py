"""A provider of no name with a plain REST API and a key in a header, and the description by which the fleet uses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sim.providers.account import Account, Answer, Card

OPTIONS: dict[str, Any] = {
    "header": "X-Api-Key",
    "prefix": "",
    "calls": {
        "sims": "GET /cards",
        "sim": "GET /cards/{iccid}",
        "session": "GET /cards/{ref}/session",
        "activate": ["POST /cards/{ref}/state", {"to": "in_use"}],
        "suspend": ["POST /cards/{ref}/state", {"to": "parked"}],
        "reset": "POST /cards/{ref}/reset",
        "limit": ["PUT /cards/{ref}/limit", {"bytes": "{octets}"}],
        "usage": "GET /cards/{ref}/usage",
    },
    "fields": {
        "iccid": "card.iccid", "ref": "card.id", "state": "state", "imsi": "card.imsi", "session": "session.is",
        "operator": "session.plmn", "octets": "bytes",
    },
    "states": {"in_use": "active", "parked": "suspended"},
    "sessions": {"ONLINE": "online", "ATTACHED": "attached", "OFFLINE": "offline", "BLOCKED": "blocked"},
    "page": "page",
    "rows": "cards",
}  # fmt: skip
PAGE = 50


class RestAccount(Account):
    """States are in_use and parked; names of cards are theirs."""

    @property
    def active(self) -> str:
        return "in_use"

    def answer(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any) -> Answer:
        if headers.get("x-api-key") != self.secret:
            return 401, {}, {}
        if path == "/cards":
            page = int(query.get("page", "1"))
            cards = sorted(self.cards.values(), key=lambda card: card.number)
            return 200, {}, {"cards": [_row(card) for card in cards[(page - 1) * PAGE : page * PAGE]]}
        found = re.fullmatch(r"/cards/([a-z0-9]+)(?:/([a-z]+))?", path)
        card = next((one for one in self.cards.values() if found and found[1] in (one.iccid, f"c{one.number}")), None)
        if found is None or card is None:
            return 404, {}, {}
        return self._one(method, found[2], card, body)

    def _one(self, method: str, what: str | None, card: Card, body: Any) -> Answer:
        if method == "GET":
            views: dict[str | None, Any] = {
                None: _row(card),
                "session": {"session": {"is": self.session(card), "plmn": 24002}},
                "usage": {"bytes": round(card.used_mb * 1_000_000)},
            }
            return (200, {}, views[what]) if what in views else (404, {}, {})
        if what == "state":
            self.change(card, body["to"])
        elif what == "reset":
            card.resets += 1
        elif what == "limit":
            card.quota_mb = body["bytes"] // 1_000_000
        return 202, {}, None


def _row(card: Card) -> dict[str, Any]:
    return {"card": {"iccid": card.iccid, "id": f"c{card.number}", "imsi": card.imsi}, "state": card.state}
