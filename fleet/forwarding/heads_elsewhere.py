"""Signed heads of the record, sent to whoever keeps them outside this installation.

A head is signed already and holds no secret, so the POST needs no signature of its own. What fails is reported in the
log and not repeated: the next head covers everything that this one did.
"""

from __future__ import annotations

import logging
import ssl

import httpx

from fleet.forwarding.centre_tls import client_context
from fleet.forwarding.link_apprise import AppriseLink

log = logging.getLogger("livlina.evidence")

ANSWER_S = 10.0


class HeadsElsewhere:
    """Nothing is opened before the first head; without an address nothing at all."""

    def __init__(
        self, url: str | None, mail: str | None, gateway: AppriseLink | None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._url = url
        self._mail = mail
        self._gateway = gateway
        self._tls = tls
        self._client: httpx.AsyncClient | None = None
        self.sent = 0

    async def publish(self, line: str) -> None:
        """One attempt each way. Never raises for the network."""
        if self._url is not None:
            await self._post(self._url, line)
        if self._mail is not None and self._gateway is not None:
            outcome = await self._gateway.send(self._mail, line)
            if outcome != "delivered":
                log.warning("the signed head could not be mailed: %s", outcome)
        elif self._mail is not None:
            log.warning("LIVLINA_HEADS_MAIL needs LIVLINA_MAIL_GATEWAY: no head is mailed")

    async def close(self) -> None:
        """Hangs up."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _post(self, url: str, line: str) -> None:
        try:
            if self._client is None:
                self._client = httpx.AsyncClient(
                    verify=self._tls or client_context(), timeout=ANSWER_S, follow_redirects=False, trust_env=False
                )
            answer = await self._client.post(url, content=line.encode(), headers={"Content-Type": "application/json"})
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            # The error's own text may repeat the address, which may hold a secret.
            log.warning("the signed head could not be sent to LIVLINA_HEADS_URL: %s", type(error).__name__)
            return
        if answer.is_success:
            self.sent += 1
        else:
            log.warning("LIVLINA_HEADS_URL answers %d to a signed head", answer.status_code)
