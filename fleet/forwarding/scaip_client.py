"""A SCAIP sender on real sockets: one centre, any number of messages at a time. It decides nothing itself."""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl

from fleet.clock import Clock, SystemClock
from fleet.forwarding.sip_sockets import SipSockets, own_host, resolve
from protocols.centre.alarm import Outcome, Reply, Scope
from protocols.centre.scaip.messages import Request
from protocols.centre.scaip.sender import PATIENCE_S, Delivered, Failed, Refused, Result, Sender, Unexpected
from protocols.centre.scaip.sip_digest import Credentials
from protocols.centre.scaip.sip_flow import TLS, UDP, Event, Flow, Wire, bracketed
from protocols.centre.scaip.sip_message import escape_user

log = logging.getLogger("livlina.sip")

WRONG_CERTIFICATE = "certificate"
"""The code of an ending before which nothing was sent, because the certificate is not the centre's."""

Ending = Delivered | Refused | Failed


def token() -> str:
    """A random word for branches, tags and Call-IDs."""
    return secrets.token_hex(12)


def verifying(authorities: str | None = None) -> ssl.SSLContext:
    """A client's TLS context: 1.2 or newer, certificate and name verified, by these authorities or the system's."""
    context = ssl.create_default_context(cafile=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class ScaipClient:
    """A sender towards one centre. Sockets are opened at the first message and kept until ``close``.

    ``user`` is the centre's SIP user, ``domain`` stands in From (by default our own address), ``tls_name`` is the name
    in the centre's certificate where it is not the host's. ``transport`` is udp, tcp or tls; tls needs a context.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        transport: str = UDP,
        user: str = "arc",
        domain: str | None = None,
        credentials: Credentials | None = None,
        tls: ssl.SSLContext | None = None,
        tls_name: str | None = None,
        patience_s: float = PATIENCE_S,
        trusted: frozenset[str] = frozenset(),
        clock: Clock | None = None,
    ) -> None:
        if transport == TLS and tls is None:
            raise ValueError("tls needs a context that verifies: give verifying(authorities)")
        self._host, self._port, self._transport = host, port, transport
        self._clock: Clock = clock or SystemClock()
        suffix = "" if transport == UDP else f";transport={transport}"
        self._sender = Sender(
            token,
            f"sip:{escape_user(user)}@{bracketed(host)}:{port}{suffix}",
            domain=domain,
            credentials=credentials,
            patience_s=patience_s,
            trusted=trusted,
        )
        self._sockets = SipSockets(self, clock=self._clock, tls=tls, tls_name=tls_name or host)
        self._flow: Flow | None = None
        self._opening = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[Ending]] = {}

    async def send(self, request: Request, octets: bytes) -> Ending:
        """One attempt, bounded by the patience. Never raises for the network; a reference in flight is a fault of ours
        and raises SenderError.

        A connection that the centre closed while it was idle says nothing about the centre: the message gets one fresh
        connection, with the same octets, so that it is known as a repeat should it have been read.
        """
        reused = self._flow is not None
        ending = await self._attempt(request, octets)
        if reused and isinstance(ending, Failed) and ending.reply.native_code == "transport":
            self._flow = None
            ending = await self._attempt(request, octets)
        return ending

    async def _attempt(self, request: Request, octets: bytes) -> Ending:
        try:
            flow = await self._way()
        except (OSError, ValueError) as error:
            # ValueError: a name that no resolver takes.
            reason = f"centre {self._host}:{self._port} cannot be reached: {type(error).__name__}"
            code = WRONG_CERTIFICATE if isinstance(error, ssl.SSLCertVerificationError) else "transport"
            return Failed(request.ref, Reply(False, Outcome.RETRY_OTHER, code, reason, scope=Scope.CENTRE))
        wires = self._sender.send(request, octets, flow, self._clock.steady())
        ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._waiting[request.ref] = ending
        self._sockets.perform(wires)
        return await ending

    async def close(self) -> None:
        """Ends the sockets. Messages in flight stay owed."""
        await self._sockets.close()
        for ref, ending in self._waiting.items():
            if not ending.done():
                ending.set_result(Failed(ref, Reply(False, Outcome.RETRY_OTHER, "transport", "closed by ourselves")))
        self._waiting.clear()

    def handle(self, event: Event, now: float) -> list[Wire]:
        """For the sockets: what came."""
        return self._settle(*self._sender.handle(event, now))

    def wake(self, now: float) -> list[Wire]:
        """For the sockets: what is due."""
        return self._settle(*self._sender.wake(now))

    def next_wakeup(self) -> float | None:
        """For the sockets: when something is due."""
        return self._sender.next_wakeup()

    def pending(self, flow: Flow) -> int:
        """For the sockets: octets of a message that is not whole."""
        return self._sender.pending(flow)

    async def _way(self) -> Flow:
        async with self._opening:
            if self._flow is None or (self._flow.is_stream and not self._sockets.is_open(self._flow)):
                remote = await resolve(self._host, self._port)
                if self._transport == UDP:
                    self._flow = Flow(UDP, await self._sockets.open_udp(own_host(remote)), remote)
                else:
                    self._flow = await self._sockets.connect(self._transport, remote)
            return self._flow

    def _settle(self, wires: list[Wire], results: list[Result]) -> list[Wire]:
        for result in results:
            if isinstance(result, Unexpected):
                log.warning("centre %s:%d said something unasked: %s", self._host, self._port, result.reason)
                continue
            ending = self._waiting.pop(result.ref, None)
            if ending is not None and not ending.done():
                ending.set_result(result)
        return wires
