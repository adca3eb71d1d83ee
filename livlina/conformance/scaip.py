"""The SCAIP cases. Alarms carry status code 102 (manual test) and text that says so."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from dataclasses import dataclass, replace

from fleet.forwarding.scaip_client import Ending, ScaipClient
from livlina.conformance.case import Case, Failed
from protocols.centre.alarm import Outcome
from protocols.centre.scaip.codes import Status
from protocols.centre.scaip.messages import Request, encode
from protocols.centre.scaip.sip_digest import Credentials

TEXT = "conformance test"
TEST_CODE = "0102"
PATIENCE_S = 6.0


@dataclass(frozen=True, slots=True)
class Way:
    """How a receiver is reached and who we are to it."""

    host: str
    port: int
    transport: str
    tls: ssl.SSLContext | None
    tls_name: str | None
    cid: str
    credentials: Credentials | None


class ScaipCases:
    """The cases for one receiver."""

    def __init__(self, way: Way) -> None:
        self._way = way

    def cases(self) -> list[Case]:
        """In the order in which they are run."""
        return [
            Case("C01", "a heartbeat is answered 0 with its reference", True, self.heartbeat),
            Case("C02", "a test alarm is answered 0 with its reference", True, self.alarm),
            Case("C03", "a repeat is answered 0", True, self.repeat),
            Case("C04", "a missing device type is answered 7", True, self.missing),
            Case("C05", "unknown codes are taken", True, self.unknown_codes),
            Case("C06", "codes without leading zeros are taken", True, self.short_codes),
            Case("C07", "space before the controller's number is taken", False, self.leading_space),
            Case("C08", "a call-back without a number is taken", True, self.bare_number),
            Case("C09", "XML that is broken is refused", True, self.broken),
            Case("C10", "entities are refused at once", True, self.entities),
            Case("C11", "text in UTF-8 is taken", True, self.utf8),
            Case("C12", "text in ISO-8859-1 without a declaration is taken", False, self.latin1),
            Case("C13", "elements in another order are taken", True, self.other_order),
            Case("C14", "unknown elements are taken", False, self.unknown_element),
            Case("C15", "two messages at once are both answered", True, self.two),
        ]

    def _request(self, **changes: str) -> Request:
        ref = "C" + secrets.token_hex(5)
        request = Request(ref, self._way.cid, "0002", stc=TEST_CODE, stt=TEXT, mty="ME")
        return replace(request, **changes)  # type: ignore[arg-type]

    async def _ask(self, request: Request, octets: bytes | None = None) -> Ending:
        way = self._way
        client = ScaipClient(
            way.host, way.port, transport=way.transport, tls=way.tls, tls_name=way.tls_name,
            credentials=way.credentials, patience_s=PATIENCE_S,
        )  # fmt: skip
        try:
            return await client.send(request, encode(request) if octets is None else octets)
        finally:
            await client.close()

    async def _taken(self, request: Request, octets: bytes | None = None) -> str:
        reply = (await self._ask(request, octets)).reply
        if not reply.accepted:
            raise Failed(f"{reply.native_code}: {reply.text}" if reply.text else reply.native_code)
        return "snu 0"

    async def _refused(self, request: Request, octets: bytes) -> str:
        reply = (await self._ask(request, octets)).reply
        if reply.accepted:
            raise Failed("taken as if it were sound")
        if reply.outcome is Outcome.RETRY_OTHER and reply.native_code == "transport":
            raise Failed("the connection broke")
        return reply.native_code

    async def heartbeat(self) -> str:
        request = self._request(mty="PI")
        return await self._taken(replace(request, stc=None, stt=None))

    async def alarm(self) -> str:
        return await self._taken(self._request())

    async def repeat(self) -> str:
        request = self._request()
        await self._taken(request)
        return await self._taken(request)

    async def missing(self) -> str:
        request = self._request()
        code = await self._refused(request, encode(request).replace(b"<dty>0002</dty>", b""))
        if code != str(Status.TAG_MISSING):
            raise Failed(f"answered {code}")
        return f"snu {code}"

    async def unknown_codes(self) -> str:
        return await self._taken(self._request(dty="9876", stt=TEXT, lco="987", ico="987"))

    async def short_codes(self) -> str:
        return await self._taken(self._request(dty="2", stc="102"))

    async def leading_space(self) -> str:
        request = self._request()
        return await self._taken(request, encode(request).replace(b"<cid>", b"<cid> "))

    async def bare_number(self) -> str:
        return await self._taken(replace(self._request(), crd=("gsm:+",)))

    async def broken(self) -> str:
        request = self._request()
        return await self._refused(request, encode(request).replace(b"</mrq>", b""))

    async def entities(self) -> str:
        request = self._request()
        bomb = b'<!DOCTYPE mrq [<!ENTITY a "xxxxxxxx"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
        octets = encode(request).replace(TEXT.encode(), b"&c;")
        at = octets.index(b"<mrq")
        return await self._refused(request, octets[:at] + bomb + octets[at:])

    async def utf8(self) -> str:
        return await self._taken(self._request(stt=TEXT + " Kökså"))

    async def latin1(self) -> str:
        request = self._request()
        octets = encode(request)[encode(request).index(b"<mrq") :]
        return await self._taken(request, octets.replace(TEXT.encode(), TEXT.encode() + b" K\xf6ks\xe5"))

    async def other_order(self) -> str:
        request = self._request()
        octets = encode(request)
        ref = b"<ref>" + request.ref.encode() + b"</ref>"
        return await self._taken(request, octets.replace(ref, b"").replace(b"</mrq>", ref + b"</mrq>"))

    async def unknown_element(self) -> str:
        request = self._request()
        return await self._taken(request, encode(request).replace(b"</mrq>", b"<zzz>1</zzz></mrq>"))

    async def two(self) -> str:
        way = self._way
        client = ScaipClient(
            way.host, way.port, transport=way.transport, tls=way.tls, tls_name=way.tls_name,
            credentials=way.credentials, patience_s=PATIENCE_S,
        )  # fmt: skip
        try:
            requests = [self._request(), self._request()]
            endings = await asyncio.gather(*(client.send(one, encode(one)) for one in requests))
        finally:
            await client.close()
        for ending in endings:
            if not ending.reply.accepted:
                raise Failed(ending.reply.native_code)
        return "snu 0, snu 0"
