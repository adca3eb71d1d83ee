"""The SOS Access cases. Alarms are event RX (manual test) with text that says so."""

from __future__ import annotations

import asyncio
import secrets

from livlina.centre_receive_sosaccess import Way, exchange
from livlina.conformance.case import Case, Failed
from protocols.centre.sos_access import documents, status
from protocols.centre.sos_access.documents import DocumentError, Message
from protocols.centre.sos_access.sender import Answered
from protocols.centre.sos_access.stream import Collector
from protocols.centre.sos_access.translate import Account

ANSWER_S = 5.0
TEXT = "conformance test, no alarm"


class SosAccessCases:
    """The cases for one receiver and account."""

    def __init__(self, way: Way, account: Account) -> None:
        self._way = way
        self._account = account

    def cases(self) -> list[Case]:
        """In the order in which they are run."""
        return [
            Case("S01", "a ping is answered 0 with its reference", True, self.ping),
            Case("S02", "a test alarm is answered 0 with its reference", True, self.alarm),
            Case("S03", "a repeat is answered 10 or 0", True, self.repeat),
            Case("S04", "a request in pieces is one request", True, self.pieces),
            Case("S05", "another password is refused", True, self.wrong_password),
            Case("S06", "a missing event code is refused", True, self.missing),
            Case("S07", "a request without an XML declaration is refused", False, self.no_header),
            Case("S08", "XML that is broken is refused", True, self.broken),
            Case("S09", "entities are refused at once", True, self.entities),
            Case("S10", "text in ISO-8859-1 is taken", True, self.latin1),
            Case("S11", "empty optional elements are taken", False, self.empty),
            Case("S12", "an unknown event code is taken", False, self.unknown_code, quiet=False),
        ]

    def _fields(self, **changes: str) -> dict[str, str]:
        return {
            "reference": f"conf-{secrets.token_hex(6)}", "authentication": self._account.authentication,
            "receiver": self._account.receiver, "transmittertype": self._account.kind,
            "transmittercode": self._account.transmitter, "eventcode": "RX", "additionalinfo": TEXT,
        } | changes  # fmt: skip

    async def _ask(self, request: bytes) -> str:
        """The status of the answer to a request that fits."""
        result = await exchange(self._way, request, timeout_s=ANSWER_S)
        if not isinstance(result, Answered):
            raise Failed(f"no usable answer: {result.reason}")
        return result.reply.native_code

    async def _raw(self, octets: list[bytes]) -> Message | None:
        """The answer to octets that may fit nothing; None for a close. Raises Failed for silence."""
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(
                self._way.host, self._way.port, ssl=self._way.tls,
                server_hostname=self._way.tls_name or self._way.host if self._way.tls else None,
            )  # fmt: skip
        collector, document = Collector(), None
        try:
            for piece in octets:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.02)
            async with asyncio.timeout(ANSWER_S):
                while document is None and (came := await reader.read(4096)):
                    document = collector.feed(came)
        except TimeoutError:
            raise Failed(f"silent for {ANSWER_S:.0f} s") from None
        finally:
            writer.close()
        document = document or collector.end()
        if document is None:
            return None
        try:
            return documents.read(document)
        except DocumentError as error:
            raise Failed(f"answered with what is no document: {error}") from error

    def _is(self, code: str, *wanted: int) -> str:
        if code not in {str(one) for one in wanted}:
            raise Failed(f"status {code}")
        return f"status {code}"

    def _refused(self, answer: Message | None, *usual: int) -> str:
        if answer is None:
            return "closed"
        code = answer.fields["status"]
        if code in {str(status.OK), str(status.DUPLICATE)}:
            raise Failed(f"status {code}")
        return f"status {code}" + ("" if code in {str(one) for one in usual} else " (another than usual)")

    async def ping(self) -> str:
        fields = {name: self._fields()[name] for name in ("authentication", "reference", "transmittercode")}
        request = documents.write(documents.PING, {**fields, "transmittertype": self._account.kind})
        return self._is(await self._ask(request), status.OK)

    async def alarm(self) -> str:
        return self._is(await self._ask(documents.write(documents.ALARM, self._fields())), status.OK)

    async def repeat(self) -> str:
        request = documents.write(documents.ALARM, self._fields())
        self._is(await self._ask(request), status.OK)
        return self._is(await self._ask(request), status.OK, status.DUPLICATE)

    async def pieces(self) -> str:
        request = documents.write(documents.ALARM, self._fields())
        answer = await self._raw([request[at : at + 50] for at in range(0, len(request), 50)])
        if answer is None:
            raise Failed("no answer")
        return self._is(answer.fields["status"], status.OK)

    async def wrong_password(self) -> str:
        code = await self._ask(documents.write(documents.ALARM, self._fields(authentication="conformance-no!")))
        return self._is(code, status.NOT_AUTHORIZED, status.NOT_AUTHORIZED_TOO)

    async def missing(self) -> str:
        request = documents.write(documents.ALARM, self._fields()).replace(b"<eventcode>RX</eventcode>", b"")
        return self._refused(await self._raw([request]), status.MISSING)

    async def no_header(self) -> str:
        request = documents.write(documents.ALARM, self._fields()).removeprefix(documents.HEADER)
        return self._refused(await self._raw([request]), status.HEADER)

    async def broken(self) -> str:
        request = documents.write(documents.ALARM, self._fields()).replace(b"</receiver>", b"")
        return self._refused(await self._raw([request]), status.XML)

    async def entities(self) -> str:
        bomb = b'<!DOCTYPE a [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'
        request = documents.write(documents.ALARM, self._fields())
        request = documents.HEADER + bomb + request.removeprefix(documents.HEADER).replace(TEXT.encode(), b"&c;")
        return self._refused(await self._raw([request]), status.XML)

    async def latin1(self) -> str:
        request = documents.write(documents.ALARM, self._fields(additionalinfo=TEXT + ": Kökså"))
        return self._is(await self._ask(request), status.OK)

    async def empty(self) -> str:
        request = documents.write(documents.ALARM, self._fields())
        request = request.replace(b"</alarmrequest>", b"<section></section><position></position></alarmrequest>")
        answer = await self._raw([request])
        if answer is None:
            raise Failed("no answer")
        return self._is(answer.fields["status"], status.OK)

    async def unknown_code(self) -> str:
        return self._is(await self._ask(documents.write(documents.ALARM, self._fields(eventcode="ZZ-17"))), status.OK)
