"""Receipts by SMS: the last resort's way back, through the gateway that brought the press.

Best effort and bounded in every direction: messages a minute and unit (`sms_pace`), requests under way a gateway,
tries a message. A gateway that is down harms nobody but its own units, and those ask again. Only the process that
took an SMS answers by SMS, so that no receipt is paid for twice. Numbers are kept in memory only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import httpx

from fleet.ingest.drops import Drops
from fleet.ingest.receipts import Receipts
from fleet.ingest.sms_gateways import Gateway, Gateways, send_secret_of
from fleet.ingest.sms_pace import Due, Item, Pace, Route
from fleet.registry.directory import Directory, Miss
from fleet.registry.secret_box import SecretBox, SecretBoxError

log = logging.getLogger("livlina.ingest")

TRANSPORT: Final = "sms"
PATIENCE_S: Final = 10.0
PAUSES_S: Final = (2.0, 8.0)
"""Before the second and the third try of one message; there is no fourth: the unit asks by itself."""

MOST_UNDER_WAY: Final = 32


class SmsReceipts:
    """One per process; `run` must be running. ``now`` is monotonic seconds."""

    def __init__(
        self,
        directory: Directory,
        receipts: Receipts,
        gateways: Gateways,
        box: SecretBox,
        drops: Drops,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._receipts = receipts
        self._gateways = gateways
        self._box = box
        self._drops = drops
        self._now = now
        self._pace = Pace()
        self._wake = asyncio.Event()
        self._under_way: Counter[str] = Counter()
        self.sent = 0

    def told(self, unit: int, route: Route, items: Iterable[Item], fresh: bool) -> None:
        """Presses came by SMS and are committed. A recording that somebody plays again draws no SMS to him."""
        if fresh:
            self._pace.heard(unit, route, self._now())
        elif not self._pace.knows(unit, self._now()):
            return
        self._pace.answer(unit, items)
        self._wake.set()

    def way_to(self, unit: int) -> Callable[[list[Item]], None] | None:
        """How grown stages of this unit are told, or None where it was not heard by SMS here."""
        if not self._pace.knows(unit, self._now()):
            return None

        def tell(items: list[Item]) -> None:
            self._pace.grown(unit, items)
            self._wake.set()

        return tell

    async def run(self) -> None:
        """Sends for ever; cancel it to stop, and with it what is under way."""
        async with (
            httpx.AsyncClient(timeout=PATIENCE_S, follow_redirects=False) as client,
            asyncio.TaskGroup() as sending,
        ):
            while True:
                due = self._pace.next_wakeup(self._now())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if due is None else max(0.0, due - self._now())):
                        await self._wake.wait()
                self._wake.clear()
                for one in self._pace.due(self._now()):
                    self._begin(sending, client, one)

    def _begin(self, sending: asyncio.TaskGroup, client: httpx.AsyncClient, due: Due) -> None:
        gateway = self._gateways.at_hand(due.route.gateway)
        if gateway is None or gateway.send_url is None:
            return
        frame = self._frame(due)
        if frame is None:
            return
        if self._under_way[gateway.name] >= MOST_UNDER_WAY:
            self._drops.count(TRANSPORT, "receipt_queue_full")
            return
        self._under_way[gateway.name] += 1
        sending.create_task(self._send(client, gateway, gateway.send_url, due.route.number, frame))

    def _frame(self, due: Due) -> bytes | None:
        keys = self._directory.at_hand(due.unit)
        if keys is None or isinstance(keys, Miss) or not keys.active:
            self._drops.count(TRANSPORT, "receipt_without_key")
            return None
        try:
            return self._receipts.seal(keys, keys.last_generation, due.items)
        except (SecretBoxError, KeyError):
            self._drops.count(TRANSPORT, "receipt_without_key")
            return None

    async def _send(self, client: httpx.AsyncClient, gateway: Gateway, url: str, number: str, frame: bytes) -> None:
        try:
            secret = send_secret_of(self._box, gateway)
            headers = {"Authorization": f"Bearer {secret}"} if secret is not None else {}
            for pause in (0.0, *PAUSES_S):
                await asyncio.sleep(pause)
                if await self._try(client, gateway.name, url, headers, number, frame):
                    self.sent += 1
                    return
            self._drops.count(TRANSPORT, "receipt_not_sent")
        except SecretBoxError as error:
            log.error("no receipt by SMS: %s", error)
            self._drops.count(TRANSPORT, "receipt_not_sent")
        finally:
            self._under_way[gateway.name] -= 1

    async def _try(
        self, client: httpx.AsyncClient, name: str, url: str, headers: dict[str, str], number: str, frame: bytes
    ) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                async with client.stream(
                    "POST", url, headers=headers, json={"to": number, "data": frame.hex()}
                ) as answer:
                    status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            log.warning("SMS gateway %s does not answer: %s", name, type(error).__name__)
            return False
        if not 200 <= status < 300:
            log.warning("SMS gateway %s answers %d", name, status)
        return 200 <= status < 300
