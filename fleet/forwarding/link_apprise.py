"""A way to people through Apprise, which knows the gateways of the world: SMS over HTTP, e-mail over SMTP and others.

It decides nothing. A gateway is one address in Apprise's own notation with ``{to}`` where the recipient belongs, for
example ``json://gateway.example/send?:to={to}`` or ``mailtos://user:secret@mail.example?to={to}``. Its sending blocks,
so it has threads of its own: those of the event loop, which resolve centres' names, are never waited for.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

log = logging.getLogger("livlina.notices")

THREADS = 8
ANSWER_S = 20.0
TITLE = "Livlina"


class GatewayError(ValueError):
    """The gateway's address cannot be used; the message never repeats it, for it holds a secret."""


class AppriseLink:
    """One gateway. Nothing is loaded or opened before the first message."""

    def __init__(self, url: str, *, setting: str = "the gateway's address") -> None:
        if "{to}" not in url:
            raise GatewayError(f"{setting} has no {{to}} where the recipient belongs")
        self._url = url
        self._setting = setting
        self._threads: ThreadPoolExecutor | None = None

    async def send(self, address: str, text: str) -> str:
        """One attempt. ``delivered`` when the gateway has taken the message; else why not, without the address."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="notices")
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._send, address, text)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await asyncio.shield(work)
        except TimeoutError:
            return "no answer"

    def close(self) -> None:
        """Lets go of the threads without waiting for a gateway."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, address: str, text: str) -> str:
        # Late, because Apprise looks for its hundred gateways when it is imported.
        from apprise import Apprise, NotifyFormat
        from apprise.exception import AppriseException

        gateway: Any = Apprise()
        try:
            if not gateway.add(self._url.replace("{to}", quote(address, safe=""))):
                return f"{self._setting} is no gateway that is known"
            return "delivered" if gateway.notify(body=text, title=TITLE, body_format=NotifyFormat.TEXT) else "refused"
        except (AppriseException, OSError, TypeError, ValueError) as error:
            return f"failed: {type(error).__name__}"
