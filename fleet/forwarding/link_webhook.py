"""A way to a centre's own system: the normalized alarm as a signed POST. From its side: docs/webhooks.md.

Delivered is a 2xx (or 409, a repeat) within the time; the body and its key are the same for every repetition.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import ssl
from dataclasses import replace

import httpx

from fleet.clock import Clock, SystemClock, within
from fleet.forwarding.centre_tls import client_context
from fleet.forwarding.decide import sends_minimal
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.normalize import normalized
from protocols.centre.alarm import Alarm, Device
from protocols.centre.document import to_json

log = logging.getLogger("livlina.forwarding")

ANSWER_S = 4.0
LONGEST_ANSWER = 65_536
SIGNATURE = "Livlina-Signature"
KEY = "Idempotency-Key"
_DUPLICATE = 409
_LATER = frozenset({408, 425, 429})
"""Refusals that say nothing about the message: it may be taken later."""
_AUTH = frozenset({401, 403, 407, 410})
"""It does not take our signature, or is gone for good."""


def sign(secret: bytes, at: int, body: bytes) -> str:
    """The value of the signature's header: HMAC-SHA-256 over the time (Unix seconds), a dot and the body."""
    mac = hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def body_of(owed: Owed, *, with_reason: bool = False) -> bytes:
    """The document of a press: same row, same octets. After a refusal only what the model demands, and the case.

    ``with_reason`` says in ``extra.reason`` why it goes there where no route says so: failover or escalation.
    """
    alarm = normalized(owed)
    if with_reason and owed.reason != "route":
        alarm = replace(alarm, extra={**alarm.extra, "reason": owed.reason})
    if not sends_minimal(owed):
        return _octets(to_json(alarm))
    bare = to_json(_bare(alarm))
    return _octets({name: value for name, value in bare.items() if value not in (None, [], {})})


def _bare(alarm: Alarm) -> Alarm:
    return replace(alarm, device=Device(component=alarm.device.component), extra={})


def _octets(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def key_of(owed: Owed) -> str:
    """What a repetition is known by: the press's reference. The minimal form, and where the unit is, are other messages
    with keys of their own."""
    if owed.position is not None:
        return normalized(owed).id
    return f"{owed.key.reference}-minimal" if sends_minimal(owed) else owed.key.reference


class WebhookLink:
    """One address. Connections are opened at the first message and kept; redirects are not followed."""

    def __init__(self, url: str, secret: str, clock: Clock | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self._url = url
        self._secret = secret.encode()
        self._clock: Clock = clock or SystemClock()
        self._tls = tls if tls is not None else client_context()
        self._client: httpx.AsyncClient | None = None
        self.said = ""
        """What the centre said last, in its own code."""

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt. Never raises for the network."""
        return await self._post(body_of(owed), {KEY: key_of(owed)})

    async def post(self, body: bytes, key: str) -> Outcome:
        """One attempt with a document of the caller's own, signed as an alarm is. Never raises for the network."""
        return await self._post(body, {KEY: key})

    async def probe(self) -> Outcome:
        """A signed ``{"kind":"heartbeat"}`` by the alarms' own way: address, certificate, signature and program. It
        never reaches a person."""
        outcome = await self._post(_octets({"kind": "heartbeat"}), {})
        await self.close()
        return outcome

    async def close(self) -> None:
        """Hangs up. A message in flight stays owed."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _post(self, body: bytes, headers: dict[str, str]) -> Outcome:
        at = int(self._clock.now().timestamp())
        headers = {**headers, "Content-Type": "application/json", SIGNATURE: sign(self._secret, at, body)}
        try:
            async with within(self._clock, ANSWER_S):
                status = await self._status(body, headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            # The error's own text may repeat what a header held.
            log.info("webhook %s gave no answer: %s", self._host(), type(error).__name__)
            await self.close()
            self.said = "certificate" if _is_certificate(error) else ""
            return Outcome.WRONG_CERTIFICATE if self.said else Outcome.NO_ANSWER
        return self._outcome(status)

    async def _status(self, body: bytes, headers: dict[str, str]) -> int:
        """A connection that was closed while it was idle says nothing: the message gets one fresh one, with its key."""
        reused = self._client is not None
        try:
            return await self._request(body, headers)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if not reused:
                raise
        await self.close()
        return await self._request(body, headers)

    async def _request(self, body: bytes, headers: dict[str, str]) -> int:
        if self._client is None:
            # Not through a proxy of the environment: what an alarm needs is configured, and nothing else.
            self._client = httpx.AsyncClient(
                verify=self._tls,
                timeout=None,  # noqa: S113 - the clock bounds it, see `within`
                follow_redirects=False,
                trust_env=False,
            )
        async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
            # The answer's body is of no use; a short one is read, so that the connection can be kept.
            length = 0
            async for chunk in response.aiter_raw():
                length += len(chunk)
                if length > LONGEST_ANSWER:
                    break
            return response.status_code

    def _outcome(self, status: int) -> Outcome:
        if 200 <= status < 300 or status == _DUPLICATE:
            self.said = ""
            return Outcome.DELIVERED
        self.said = f"HTTP {status}"
        if status in _AUTH:
            return Outcome.NOT_AUTHORIZED
        if 300 <= status < 500 and status not in _LATER:
            return Outcome.REFUSED
        return Outcome.NO_ANSWER

    def _host(self) -> str:
        """Without path and query: they may be secret."""
        try:
            return httpx.URL(self._url).host
        except httpx.InvalidURL:
            return "without an address"


def _is_certificate(error: BaseException | None) -> bool:
    """Whether a certificate that nobody vouches for is behind it."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
