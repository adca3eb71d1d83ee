"""emnify's API, as far as the fleet uses it (docs.emnify.com)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sim.providers.account import Account, Answer, Card

NAMES = {"0": "Issued", "1": "Activated", "2": "Suspended", "3": "Deleted", "4": "Factory Test"}
MOVES = {"0": {"1", "4"}, "4": {"1"}, "1": {"2"}, "2": {"1"}, "3": set()}


class EmnifyAccount(Account):
    """States are its numbers as text. Endpoint numbers are the SIM's plus 1000."""

    @property
    def active(self) -> str:
        return "1"

    def answer(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any) -> Answer:
        if path == "/api/v1/authenticate":
            if not isinstance(body, dict) or body.get("application_token") != self.secret:
                return 401, {}, {"error_code": 4011401}
            return 200, {}, {"auth_token": self.new_token(), "refresh_token": "refresh"}
        if not self.is_known(headers):
            return 401, {}, {"error_code": 4011401, "message": "token expired"}
        if path == "/api/v1/sim":
            return self._list(query)
        if path == "/api/v1/operator":
            return 200, {}, [{"name": "Telia", "country": {"name": "Sweden", "mcc": "240"}, "mnc": [{"mnc": "01"}]}]
        found = re.fullmatch(r"/api/v1/(sim|endpoint)/([0-9]+)(?:/(stats|connectivity|quota/data))?", path)
        number = int(found[2]) - (1000 if found[1] == "endpoint" else 0) if found else -1
        card = next((one for one in self.cards.values() if one.number == number), None)
        if found is None or card is None:
            return 404, {}, {"message": "not found"}
        return self._one(method, (found[1], found[3]), card, body)

    def _list(self, query: Mapping[str, str]) -> Answer:
        cards = sorted(self.cards.values(), key=lambda card: card.number)
        wanted = query.get("q", "").removeprefix("iccid:")
        cards = [card for card in cards if card.iccid[:-1].startswith(wanted)]
        size, page = int(query.get("per_page", "100")), int(query.get("page", "1"))
        rows = [_row(card) for card in cards[(page - 1) * size : page * size]]
        return 200, {"X-Total-Count": str(len(cards))}, rows

    def _one(self, method: str, what: tuple[str, str | None], card: Card, body: Any) -> Answer:
        if (method, what) == ("PATCH", ("sim", None)):
            wanted = str(body["status"]["id"])
            state = card.coming[1] if card.coming else card.state
            if wanted not in MOVES[state] and wanted != state:
                return 409, {}, {"message": "no such change of status"}
            self.change(card, wanted)
            return 204, {}, None
        if (method, what) == ("PATCH", ("endpoint", "connectivity")):
            card.resets += 1
            return 204, {}, None
        if (method, what) == ("POST", ("endpoint", "quota/data")):
            card.quota_mb = body["volume"]
            return 201, {}, None
        if (method, what) == ("GET", ("endpoint", "connectivity")):
            place = {"country": {"mcc": "240"}, "operator": {"mnc": "01"}, "last_updated": "2027-03-01T10:00:00Z"}
            return 200, {}, {"status": {"description": self.session(card)}, "location": place}
        if (method, what) == ("GET", ("sim", "stats")):
            return 200, {}, {"current_month": {"data": {"volume": card.used_mb}}}
        return 405, {}, {"message": "method not allowed"}


def _row(card: Card) -> dict[str, Any]:
    return {
        "id": card.number, "iccid": card.iccid[:-1], "iccid_with_luhn": card.iccid, "imsi": card.imsi,
        "msisdn": card.msisdn, "status": {"id": int(card.state), "description": NAMES[card.state]},
        "endpoint": {"id": card.number + 1000},
    }  # fmt: skip
