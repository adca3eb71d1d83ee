"""1NCE's management API, as far as the fleet uses it (help.1nce.com)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from sim.providers.account import Account, Answer, Card


class OneNceAccount(Account):
    """States are Enabled and Disabled. ``secret`` is client id, colon, client secret."""

    @property
    def active(self) -> str:
        return "Enabled"

    def answer(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any) -> Answer:
        if path == "/oauth/token":
            expected = "Basic " + base64.b64encode(self.secret.encode()).decode()
            granted = isinstance(body, dict) and body.get("grant_type") == "client_credentials"
            if headers.get("authorization") != expected or not granted:
                return 401, {}, {"status_code": 401}
            return 200, {}, {"access_token": self.new_token(), "token_type": "bearer", "expires_in": int(self.token_s)}
        if not self.is_known(headers):
            return 401, {}, {"status_code": 401, "message": "token expired"}
        if path == "/v1/sims":
            return self._list(query)
        found = re.fullmatch(r"/v1/sims/([0-9]+)(?:/(status|reset|quota/data))?", path)
        card = next((one for one in self.cards.values() if found and one.iccid[:-1] == found[1]), None)
        if found is None or card is None:
            return 404, {}, {"status_code": 404}
        return self._one(method, found[2], card, body)

    def _list(self, query: Mapping[str, str]) -> Answer:
        size, page = int(query.get("pageSize", "10")), int(query.get("page", "1"))
        if size > 100:
            return 400, {}, {"message": "pageSize"}
        cards = sorted(self.cards.values(), key=lambda card: card.number)
        pages = -(-len(cards) // size)
        return 200, {"X-Total-Pages": str(pages)}, [_row(card) for card in cards[(page - 1) * size : page * size]]

    def _one(self, method: str, what: str | None, card: Card, body: Any) -> Answer:
        if (method, what) == ("GET", None):
            return 200, {}, _row(card)
        if (method, what) == ("PUT", None):
            self.change(card, body["status"])
            return 200, {}, None
        if (method, what) == ("POST", "reset"):
            card.resets += 1
            return 201, {}, None
        if (method, what) == ("GET", "status"):
            place = {"operator": {"mnc": "07", "country": {"mcc": "240"}}, "last_updated": "2027-03-01T10:00:00Z"}
            return 200, {}, {"status": self.session(card), "location": place}
        if (method, what) == ("GET", "quota/data"):
            return 200, {}, {"volume": 500.0 - card.used_mb, "total_volume": 500.0}
        return 405, {}, {"status_code": 405}


def _row(card: Card) -> dict[str, Any]:
    return {
        "iccid": card.iccid[:-1], "iccid_with_luhn": card.iccid, "imsi": card.imsi, "msisdn": card.msisdn,
        "status": card.state, "imei": "351234567890123", "imei_lock": False, "lifecycle_status": "Active",
    }  # fmt: skip
