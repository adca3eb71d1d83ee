"""The DC-09 cases. Events are RX and 601 (manual test) with text that says so."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from livlina.centre_receive_dc09 import Way
from livlina.conformance.case import Case, Failed
from protocols.centre.sia_dc09 import CrcForm, Frame, FrameError, Key, Splitter, decode, encode, poll
from protocols.centre.sia_dc09.cipher import open_frame, seal_frame, stamped
from protocols.centre.sia_dc09.frame import ACK, ADM_CID, DUH, NAK, SIA_DCS

ANSWER_S = 5.0
SILENCE_S = 2.0
TEXT = "conformance test, no alarm"


class Talk:
    """One TCP or TLS connection; frames as they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._splitter = Splitter()
        self._came: list[bytes | FrameError] = []

    @classmethod
    async def open(cls, way: Way) -> Talk:
        """Raises OSError or TimeoutError."""
        async with asyncio.timeout(ANSWER_S):
            return cls(
                *await asyncio.open_connection(
                    way.host, way.port, ssl=way.tls, server_hostname=way.tls_name or way.host if way.tls else None
                )
            )

    async def close(self) -> None:
        """Hangs up."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def say(self, octets: bytes) -> None:
        """One segment, as far as one can tell from here."""
        self._writer.write(octets)
        await self._writer.drain()

    async def hear(self, within_s: float = ANSWER_S) -> Frame | None:
        """The next frame, or None for silence or a close. Raises Failed for octets that are none."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not self._came:
                    octets = await self._reader.read(4096)
                    if not octets:
                        break
                    self._came += self._splitter.feed(octets)
        if not self._came:
            return None
        piece = self._came.pop(0)
        if isinstance(piece, FrameError):
            raise Failed(f"answered with octets that are no frame: {piece.raw[:40].hex()}")
        try:
            return decode(piece)
        except FrameError as error:
            raise Failed(f"answered with a broken frame ({error}): {piece[:60]!r}") from error


class Dc09Cases:
    """The cases for one receiver, account and key."""

    def __init__(self, way: Way, account: str, key: Key | None) -> None:
        self._way = way
        self._account = account
        self._key = key
        self._seq = secrets.randbelow(9000)

    def frame(self, data: str | None = None, **changes: object) -> Frame:
        """A manual test with a sequence of its own."""
        self._seq = self._seq % 9999 + 1
        text = f"#{self._account}|NRX000" if data is None else data
        frame = Frame(SIA_DCS, f"{self._seq:04d}", self._account, "0", "0", text, (("I", TEXT),))
        return replace(frame, **changes)  # type: ignore[arg-type]

    def cases(self) -> list[Case]:
        """In the order in which they are run."""
        cases = [
            Case("D01", "a link test is acknowledged", True, self.link_test),
            Case("D02", "a test alarm is acknowledged with its sequence and account", True, self.alarm),
            Case("D03", "a repeat is acknowledged again", True, self.repeat),
            Case("D04", "a frame in two segments is one frame", True, self.split),
            Case("D05", "a frame octet by octet is one frame", True, self.octets),
            Case("D06", "two frames in one segment are two frames", True, self.together),
            Case("D07", "a wrong CRC is not acknowledged", True, self.wrong_crc),
            Case("D08", "a length that lies costs only its own frame", True, self.lying_length),
            Case("D09", "junk before a frame costs nothing", False, self.junk),
            Case("D10", "an unknown event code is acknowledged", True, self.unknown_code, quiet=False),
            Case("D11", "text in UTF-8 is acknowledged", False, self.utf8),
            Case("D12", "a frame without R is answered without R", False, self.without_r),
            Case("D13", "an old timestamp in clear is acknowledged", False, self.old_time),
            Case("D14", "a CRC of two octets is answered in kind", False, self.binary_crc),
            Case("D15", "an unknown token is not acknowledged", False, self.unknown_token),
            Case("D16", "a long frame is acknowledged", False, self.long_frame),
            Case("D17", "Contact ID is acknowledged", False, self.contact_id),
        ]
        if self._key is not None:
            cases = [
                Case("D20", "an encrypted test alarm gets an encrypted ACK", True, self.encrypted),
                Case("D21", "an encrypted link test gets an encrypted ACK", True, self.encrypted_link_test),
                Case("D22", "an encrypted message of an hour ago gets NAK with the time", True, self.stale),
                Case("D23", "a message under another key is not acknowledged", True, self.wrong_key),
                Case("D24", "a message in clear is not acknowledged where there is a key", False, self.clear),
            ]
        return cases

    async def _ask(self, frame: Frame, pieces: Sequence[bytes] | None = None) -> Frame | None:
        talk = await Talk.open(self._way)
        try:
            for piece in pieces if pieces is not None else [encode(frame)]:
                await talk.say(piece)
                await asyncio.sleep(0.02)
            return await talk.hear()
        finally:
            await talk.close()

    def _acked(self, frame: Frame, answer: Frame | None) -> str:
        if answer is None:
            raise Failed("no answer")
        if answer.token != ACK:
            raise Failed(f"answered {answer.token}")
        if answer.seq != frame.seq or answer.account != frame.account:
            raise Failed(f"ACK for sequence {answer.seq}, account {answer.account}")
        return f"ACK {answer.seq}"

    def _not_acked(self, answer: Frame | None) -> str:
        if answer is not None and answer.token == ACK:
            raise Failed("acknowledged")
        return "silence" if answer is None else answer.token

    async def link_test(self) -> str:
        frame = poll(self._account)
        return self._acked(frame, await self._ask(frame))

    async def alarm(self) -> str:
        frame = self.frame()
        return self._acked(frame, await self._ask(frame))

    async def repeat(self) -> str:
        frame = self.frame()
        self._acked(frame, await self._ask(frame))
        return self._acked(frame, await self._ask(frame))

    async def split(self) -> str:
        frame = self.frame()
        octets = encode(frame)
        return self._acked(frame, await self._ask(frame, [octets[:17], octets[17:]]))

    async def octets(self) -> str:
        frame = self.frame()
        return self._acked(frame, await self._ask(frame, [bytes([octet]) for octet in encode(frame)]))

    async def together(self) -> str:
        first, second = self.frame(), self.frame()
        talk = await Talk.open(self._way)
        try:
            await talk.say(encode(first) + encode(second))
            return self._acked(first, await talk.hear()) + ", " + self._acked(second, await talk.hear())
        finally:
            await talk.close()

    async def _bad_then_good(self, octets: bytes) -> str:
        good = self.frame()
        talk = await Talk.open(self._way)
        try:
            await talk.say(octets)
            seen = self._not_acked(await talk.hear(SILENCE_S))
            await talk.say(encode(good))
            answer = await talk.hear()
            while answer is not None and answer.seq != good.seq:
                answer = await talk.hear()
            return f"{seen}, then " + self._acked(good, answer)
        finally:
            await talk.close()

    async def wrong_crc(self) -> str:
        octets = bytearray(encode(self.frame()))
        octets[1:5] = b"0000" if octets[1:5] != b"0000" else b"0001"
        return await self._bad_then_good(bytes(octets))

    async def lying_length(self) -> str:
        octets = bytearray(encode(self.frame()))
        octets[6:9] = b"FFF"
        return await self._bad_then_good(bytes(octets))

    async def junk(self) -> str:
        frame = self.frame()
        return self._acked(frame, await self._ask(frame, [b"junk\r\n" + encode(frame)]))

    async def unknown_code(self) -> str:
        frame = self.frame(f"#{self._account}|NZZ000", xdata=(("I", TEXT),))
        return self._acked(frame, await self._ask(frame))

    async def utf8(self) -> str:
        frame = self.frame(xdata=(("I", TEXT + ": Kökså"),))
        return self._acked(frame, await self._ask(frame))

    async def without_r(self) -> str:
        frame = self.frame(receiver=None)
        answer = await self._ask(frame)
        seen = self._acked(frame, answer)
        if answer is not None and answer.receiver is not None:
            raise Failed(f"answered with R{answer.receiver}")
        return seen

    async def old_time(self) -> str:
        frame = stamped(self.frame(), datetime.now(UTC) - timedelta(days=1))
        return self._acked(frame, await self._ask(frame))

    async def binary_crc(self) -> str:
        frame = self.frame(crc_form=CrcForm.BINARY)
        answer = await self._ask(frame)
        seen = self._acked(frame, answer)
        if answer is not None and answer.crc_form is not CrcForm.BINARY:
            raise Failed("answered with a CRC of four digits")
        return seen

    async def unknown_token(self) -> str:
        answer = await self._ask(self.frame(token="SIA-PUD"))  # noqa: S106 - the word of a grammar
        seen = self._not_acked(answer)
        if answer is not None and answer.token != DUH:
            raise Failed(f"answered {answer.token}")
        return seen

    async def long_frame(self) -> str:
        frame = self.frame(xdata=(("I", TEXT + " " + "x" * 900),))
        return self._acked(frame, await self._ask(frame))

    async def contact_id(self) -> str:
        frame = self.frame(f"#{self._account}|1601 00 000", token=ADM_CID)
        return self._acked(frame, await self._ask(frame))

    def _sealed(self, frame: Frame, key: Key, at: datetime) -> Frame:
        return seal_frame(stamped(frame, at), key, os.urandom)

    async def _encrypted(self, frame: Frame) -> str:
        assert self._key is not None
        answer = await self._ask(self._sealed(frame, self._key, datetime.now(UTC)))
        seen = self._acked(frame, answer)
        assert answer is not None
        if not answer.encrypted:
            raise Failed("ACK in clear")
        try:
            open_frame(answer, self._key)
        except FrameError as error:
            raise Failed("the ACK does not open with the account's key") from error
        return seen

    async def encrypted(self) -> str:
        return await self._encrypted(self.frame())

    async def encrypted_link_test(self) -> str:
        return await self._encrypted(poll(self._account))

    async def stale(self) -> str:
        assert self._key is not None
        answer = await self._ask(self._sealed(self.frame(), self._key, datetime.now(UTC) - timedelta(hours=1)))
        if answer is None or answer.token != NAK:
            raise Failed("no answer" if answer is None else f"answered {answer.token}")
        if answer.time is None:
            raise Failed("NAK without the receiver's time")
        return f"NAK, {answer.time:%H:%M:%S}"

    async def wrong_key(self) -> str:
        assert self._key is not None
        other = Key(bytes(octet ^ 0x55 for octet in self._key.octets))
        return self._not_acked(await self._ask(self._sealed(self.frame(), other, datetime.now(UTC))))

    async def clear(self) -> str:
        return self._not_acked(await self._ask(self.frame()))
