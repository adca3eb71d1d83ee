"""Requests of ours and their responses: RFC 3261's non-INVITE client transaction (17.1.2), and digest authentication.

Over UDP a request is repeated after 0.5, 1, 2, 4, 4 ... s (timer E) until 32 s have passed (timer F); over a stream it
goes once. The user of this machine has its own, shorter patience and gives up with `abandon`. A request of more than
1300 octets goes by TCP even where UDP was asked for (18.1.1), and by UDP after all if TCP cannot be had.

A response that fits no transaction of ours is not for us. What comes after the final response is the same (that is all
that timer K is for), so a finished transaction keeps nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace

from protocols.centre.scaip.sip_digest import Challenge, Credentials, answer, read_challenge
from protocols.centre.scaip.sip_flow import (
    T1_S,
    T2_S,
    TCP,
    TRANSACTION_S,
    UDP,
    Action,
    Answered,
    Draft,
    Flow,
    Transmit,
    Unanswered,
    bracketed,
)
from protocols.centre.scaip.sip_message import COOKIE, Headers, SipRequest, SipResponse, cseq, serialize, top_via

MAX_DATAGRAM = 1300
MAX_FORWARDS = "70"
MAX_CHALLENGES = 3

_ASKED_BY = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}


@dataclass(slots=True)
class _Known:
    """A challenge that was answered, and how often its nonce was used."""

    challenge: Challenge
    count: int = 0


@dataclass(slots=True)
class _Transaction:
    ticket: int
    draft: Draft
    flow: Flow
    call_id: str
    tag: str
    sequence: int
    branch: str
    octets: bytes
    ends_at: float
    repeat_at: float | None
    interval: float
    may_fall_back: bool
    challenged: int = 0
    fresh: bool = False


class SipClient:
    """All requests of ours that wait. `token` gives a fresh random word of at least 64 bits for every call."""

    def __init__(self, token: Callable[[], str], credentials: Credentials | None = None, agent: str = "Livlina"):
        self._token = token
        self._credentials = credentials
        self._agent = agent
        self._by_branch: dict[str, _Transaction] = {}
        self._branch_of: dict[int, str] = {}
        self._timers: list[tuple[float, str]] = []
        self._known: dict[tuple[Flow, str], _Known] = {}

    def submit(self, ticket: int, draft: Draft, flow: Flow, now: float) -> list[Action]:
        """Start a request. Its end comes as `Answered` or `Unanswered` with the same ticket."""
        return self._start(ticket, draft, flow, now, self._token(), self._token()[:16], 1)

    def abandon(self, ticket: int) -> None:
        """Stop caring: nothing is repeated any more and a late response is not for us."""
        branch = self._branch_of.pop(ticket, None)
        if branch is not None:
            del self._by_branch[branch]

    def received(self, response: SipResponse, now: float) -> list[Action]:
        """A response from any flow. Empty for a provisional one and for one that is not ours."""
        via = top_via(response.headers)
        transaction = self._by_branch.get(via.get("branch") or "") if via is not None else None
        if transaction is None or cseq(response.headers) != (transaction.sequence, transaction.draft.method):
            return []
        if response.status < 200:
            transaction.interval = T2_S
            return []
        self.abandon(transaction.ticket)
        again = self._authenticate(transaction, response, now)
        return [Answered(transaction.ticket, response)] if again is None else again

    def closed(self, flow: Flow, now: float) -> list[Action]:
        """A flow ended: what waits on it is sent by UDP if it was only too long for it, and has failed otherwise."""
        actions: list[Action] = []
        self._known = {key: known for key, known in self._known.items() if key[0] != flow or flow.transport == UDP}
        for transaction in [one for one in self._by_branch.values() if one.flow == flow]:
            self.abandon(transaction.ticket)
            if transaction.may_fall_back:
                way = replace(flow, transport=UDP)
                actions += self._start(
                    transaction.ticket, transaction.draft, way, now, transaction.call_id, transaction.tag,
                    transaction.sequence + 1, switch=False,
                )  # fmt: skip
            else:
                actions.append(Unanswered(transaction.ticket, "transport"))
        return actions

    def wake(self, now: float) -> list[Action]:
        """Repeat and give up what is due. Calls that come too early do nothing."""
        actions: list[Action] = []
        while self._timers and self._timers[0][0] <= now:
            _, branch = heapq.heappop(self._timers)
            transaction = self._by_branch.get(branch)
            if transaction is None:
                continue
            if now >= transaction.ends_at:
                self.abandon(transaction.ticket)
                actions.append(Unanswered(transaction.ticket, "timeout"))
                continue
            if transaction.repeat_at is not None and now >= transaction.repeat_at:
                transaction.interval = min(transaction.interval * 2, T2_S)
                transaction.repeat_at = now + transaction.interval
                actions.append(Transmit(transaction.flow, transaction.octets))
            self._arm(transaction)
        return actions

    def next_wakeup(self) -> float | None:
        """When `wake` is next due, or None while nothing waits."""
        while self._timers and self._timers[0][1] not in self._by_branch:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _start(
        self, ticket: int, draft: Draft, flow: Flow, now: float, call_id: str, tag: str, sequence: int,
        *, switch: bool = True, challenged: int = 0,
    ) -> list[Action]:  # fmt: skip
        branch = COOKIE + self._token()
        headers, fresh = self._authorization(draft, flow)
        octets = serialize(self._request(draft, flow, branch, call_id, tag, sequence, headers))
        may_fall_back = False
        if flow.transport == UDP and len(octets) > MAX_DATAGRAM and switch:
            flow, may_fall_back = replace(flow, transport=TCP), True
            octets = serialize(self._request(draft, flow, branch, call_id, tag, sequence, headers))
        transaction = _Transaction(
            ticket, draft, flow, call_id, tag, sequence, branch, octets, now + TRANSACTION_S,
            None if flow.is_stream else now + T1_S, T1_S, may_fall_back, challenged, fresh,
        )  # fmt: skip
        self._by_branch[branch] = transaction
        self._branch_of[ticket] = branch
        self._arm(transaction)
        return [Transmit(flow, octets)]

    def _arm(self, transaction: _Transaction) -> None:
        due = transaction.ends_at
        if transaction.repeat_at is not None:
            due = min(due, transaction.repeat_at)
        heapq.heappush(self._timers, (due, transaction.branch))

    def _request(
        self, draft: Draft, flow: Flow, branch: str, call_id: str, tag: str, sequence: int,
        authorization: list[tuple[str, str]],
    ) -> SipRequest:  # fmt: skip
        host, port = flow.local
        headers = [
            ("Via", f"SIP/2.0/{flow.transport.upper()} {bracketed(host)}:{port};branch={branch};rport"),
            ("Max-Forwards", MAX_FORWARDS),
            ("From", f"<{draft.sender}>;tag={tag}"),
            ("To", f"<{draft.recipient}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{sequence} {draft.method}"),
            *authorization,
            ("User-Agent", self._agent),
            *draft.headers,
        ]
        return SipRequest(draft.method, draft.uri, Headers(headers), draft.body)

    def _authorization(self, draft: Draft, flow: Flow) -> tuple[list[tuple[str, str]], bool]:
        """Headers for the challenges that this peer is known to make, and whether one of their nonces is new."""
        found, fresh = [], False
        for _, header in _ASKED_BY.values():
            known = self._known.get((flow, header))
            if known is not None and self._credentials is not None:
                known.count += 1
                fresh = fresh or known.count == 1
                value = answer(
                    known.challenge, self._credentials, draft.method, draft.uri,
                    count=known.count, client_nonce=self._token(),
                )  # fmt: skip
                found.append((header, value))
        return found, fresh

    def _authenticate(self, transaction: _Transaction, response: SipResponse, now: float) -> list[Action] | None:
        """The request once more with an answer to the challenge; None where there is none to give.

        The same challenge again after a fresh answer says that the password is wrong, unless the nonce was stale.
        """
        asked = _ASKED_BY.get(response.status)
        if asked is None or self._credentials is None or transaction.challenged >= MAX_CHALLENGES:
            return None
        challenge = read_challenge(response.headers.all(asked[0]))
        if challenge is None:
            return None
        key = (transaction.flow, asked[1])
        before = self._known.get(key)
        if transaction.fresh and before is not None and before.count and not challenge.stale:
            del self._known[key]
            return None
        self._known[key] = _Known(challenge)
        return self._start(
            transaction.ticket, transaction.draft, transaction.flow, now, transaction.call_id, transaction.tag,
            transaction.sequence + 1, challenged=transaction.challenged + 1,
        )  # fmt: skip
