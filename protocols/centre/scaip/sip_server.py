"""Requests to us and our responses: RFC 3261's non-INVITE server transaction (17.2.2) and where responses go (18.2.2).

A request that comes again within 32 s over UDP (timer J) gets the same response octet for octet and does not come up a
second time; one that is still being worked on is passed over. Without the magic cookie in its branch a request is
recognized by RFC 2543's fields (17.2.3). Merged requests are not refused with 482: a device that sends an alarm by two
ways must find it taken by both, and a repeated alarm is recognized by its reference.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus

from protocols.centre.scaip.sip_flow import DEFAULT_PORT, TRANSACTION_S, Action, Flow, Transmit, bare
from protocols.centre.scaip.sip_message import (
    COOKIE,
    Headers,
    SipRequest,
    SipResponse,
    Via,
    address,
    cseq,
    serialize,
    split_list,
    top_via,
)

CAPACITY = 65_536
"""Transactions that are remembered; the oldest falls out. At 2000 requests a second that is the whole of timer J."""

REASONS = {
    200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 405: "Method Not Allowed",
    413: "Request Entity Too Large", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme",
    420: "Bad Extension", 481: "Call/Transaction Does Not Exist", 500: "Server Internal Error",
    503: "Service Unavailable",
}  # fmt: skip


@dataclass(slots=True)
class _Transaction:
    ticket: int
    key: tuple[str, ...]
    request: SipRequest
    flow: Flow
    via: Via
    ends_at: float
    response: bytes | None = None


class SipServer:
    """All requests to us that are answered or being answered. `token` gives random words for To tags."""

    def __init__(self, token: Callable[[], str], capacity: int = CAPACITY) -> None:
        self._token = token
        self._capacity = capacity
        self._by_key: dict[tuple[str, ...], _Transaction] = {}
        self._by_ticket: dict[int, _Transaction] = {}
        self._on_stream: dict[Flow, set[int]] = {}
        self._timers: list[tuple[float, int]] = []

    def received(self, ticket: int, request: SipRequest, flow: Flow, now: float) -> list[Action] | None:
        """A request: None says that it is new and now known as `ticket`; else the actions for a repetition."""
        via = top_via(request.headers)
        assert via is not None  # sip_message.parse has read it
        key = _key(request, via)
        known = self._by_key.get(key)
        if known is not None:
            return [] if known.response is None else [Transmit(_way_back(flow, via), known.response)]
        while len(self._by_key) >= self._capacity:
            self._forget(next(iter(self._by_key.values())))
        transaction = _Transaction(ticket, key, request, flow, via, now + TRANSACTION_S)
        self._by_key[key] = transaction
        self._by_ticket[ticket] = transaction
        if flow.is_stream:
            self._on_stream.setdefault(flow, set()).add(ticket)
        heapq.heappush(self._timers, (transaction.ends_at, ticket))
        return None

    def respond(
        self,
        ticket: int,
        status: int,
        now: float,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> list[Action]:
        """The final response to a request; nothing if it has had one, or if nobody waits for it any more."""
        transaction = self._by_ticket.get(ticket)
        if transaction is None or transaction.response is not None:
            return []
        octets = response_to(transaction.request, transaction.flow, status, self._token()[:16], headers, body)
        if transaction.flow.is_stream:
            self._forget(transaction)
        else:
            transaction.response = octets
            transaction.ends_at = now + TRANSACTION_S
            heapq.heappush(self._timers, (transaction.ends_at, ticket))
        return [Transmit(_way_back(transaction.flow, transaction.via), octets)]

    def closed(self, flow: Flow) -> None:
        """A stream ended: nobody can be answered on it."""
        for ticket in self._on_stream.pop(flow, set()):
            transaction = self._by_ticket.get(ticket)
            if transaction is not None:
                self._forget(transaction)

    def wake(self, now: float) -> None:
        """Forget what timer J has ended."""
        while self._timers and self._timers[0][0] <= now:
            _, ticket = heapq.heappop(self._timers)
            transaction = self._by_ticket.get(ticket)
            if transaction is not None and transaction.ends_at <= now:
                self._forget(transaction)

    def next_wakeup(self) -> float | None:
        """When something is next to be forgotten, or None."""
        while self._timers and self._timers[0][1] not in self._by_ticket:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _forget(self, transaction: _Transaction) -> None:
        self._by_key.pop(transaction.key, None)
        self._by_ticket.pop(transaction.ticket, None)
        if transaction.flow in self._on_stream:
            self._on_stream[transaction.flow].discard(transaction.ticket)


def response_to(
    request: SipRequest,
    flow: Flow,
    status: int,
    tag: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> bytes:
    """A response with what RFC 3261 8.2.6 copies from the request; the topmost Via gets received and rport (18.2.1)."""
    vias = request.headers.all("via")
    first = split_list(vias[0])
    via = top_via(request.headers)
    assert via is not None
    top = ", ".join([str(_completed(via, flow)), *first[1:]])
    to = request.headers.get("to") or ""
    if "tag" not in address(to)[1]:
        to += f";tag={tag}"
    copied = [("Via", top), *(("Via", value) for value in vias[1:])]
    copied += [(name, request.headers.get(name) or "") for name in ("From", "Call-ID", "CSeq")]
    reason = REASONS.get(status) or HTTPStatus(status).phrase
    fields = [*copied[: len(vias) + 1], ("To", to), *copied[len(vias) + 1 :], *headers]
    return serialize(SipResponse(status, reason, Headers(fields), body))


def refusal(error_head: SipRequest | None, flow: Flow, tag: str) -> list[Action]:
    """The 400 to a malformed request, if enough of it could be read to send one; never to an ACK."""
    if error_head is None or error_head.method == "ACK":
        return []
    via = top_via(error_head.headers)
    if via is None or any(not error_head.headers.get(name) for name in ("from", "to", "call-id", "cseq")):
        return []
    return [Transmit(_way_back(flow, via), response_to(error_head, flow, 400, tag))]


def _completed(via: Via, flow: Flow) -> Via:
    host, port = flow.remote
    parameters = [(name, value) for name, value in via.parameters if name not in {"received", "rport"}]
    if via.get("rport") is not None:
        parameters.append(("rport", str(port)))
    if bare(via.host) != host or via.get("rport") is not None:
        parameters.append(("received", host))
    return replace(via, parameters=tuple(parameters))


def _way_back(flow: Flow, via: Via) -> Flow:
    """Where a response goes: the same connection; over UDP the source, at Via's port unless rport was asked for."""
    if flow.is_stream or via.get("rport") is not None:
        return flow
    return replace(flow, remote=(flow.remote[0], via.port or DEFAULT_PORT[flow.transport]))


def _key(request: SipRequest, via: Via) -> tuple[str, ...]:
    branch = via.get("branch") or ""
    if branch.startswith(COOKIE):
        return ("3261", branch.lower(), via.host.lower(), str(via.port), request.method)
    headers = request.headers
    number, method = cseq(headers)
    return (
        "2543", request.uri, headers.get("to") or "", headers.get("from") or "", headers.get("call-id") or "",
        f"{number} {method}", str(via),
    )  # fmt: skip
