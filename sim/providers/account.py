"""What every simulated SIM provider has: cards, tokens that end, a limit of requests, changes that take their time.

Time is an argument, so that a test moves it. A request is answered by `Account.handle`; `serve` puts that behind real
HTTP on loopback.
"""

from __future__ import annotations

import contextlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, dict[str, str], Any]
"""Status, headers, and a document; None for no body."""


@dataclass
class Card:
    """A SIM at the provider. ``state`` is what it is; a change that was asked for is ``coming`` at a time."""

    iccid: str
    number: int
    state: str
    imsi: str = "901405100000018"
    msisdn: str = "882360000000018"
    attached: bool = True
    seen_at: float = 0.0
    coming: tuple[float, str] | None = None
    resets: int = 0
    quota_mb: int | None = None
    used_mb: float = 0.0


@dataclass
class Account(ABC):
    """One customer's account. ``delay_s``: a change takes so long. ``stale_s``: so long a card that is away is still
    shown as attached. ``burst`` requests in ``window_s`` are answered, the others get 429. ``lost``: this many of the
    next changing requests are carried out and never answered."""

    time: Callable[[], float]
    secret: str
    cards: dict[str, Card]
    token_s: float = 3600.0
    delay_s: float = 30.0
    stale_s: float = 86_400.0
    burst: int = 1_000
    window_s: float = 1.0
    lost: int = 0
    log: list[tuple[str, str]] = field(default_factory=list)
    _tokens: dict[str, float] = field(default_factory=dict)
    _asked: list[float] = field(default_factory=list)

    def handle(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any) -> Answer:
        """Answers one request after the limit and the token have been looked at."""
        now = self.time()
        self.log.append((method, path))
        for card in self.cards.values():
            if card.coming is not None and card.coming[0] <= now:
                card.state, card.coming = card.coming[1], None
        self._asked = [at for at in self._asked if at > now - self.window_s]
        if len(self._asked) >= self.burst:
            return 429, {"Retry-After": str(max(1, round(self.window_s)))}, {"message": "Too Many Requests"}
        self._asked.append(now)
        return self.answer(method, path, query, headers, body)

    @abstractmethod
    def answer(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any) -> Answer:
        """What this provider says; for those that are made of it."""

    def new_token(self) -> str:
        """A token that ends."""
        token = f"token-{len(self._tokens) + 1}"
        self._tokens[token] = self.time() + self.token_s
        return token

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether a request shows a token that has not ended."""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        return self._tokens.get(token, float("-inf")) > self.time()

    def change(self, card: Card, state: str) -> None:
        """Will be so in a while."""
        card.coming = (self.time() + self.delay_s, state)

    def session(self, card: Card) -> str:
        """What the provider believes: a card that is away is shown as attached until its view has grown old."""
        if card.state != self.active:
            return "BLOCKED"
        if card.attached:
            return "ONLINE"
        return "ATTACHED" if self.time() - card.seen_at < self.stale_s else "OFFLINE"

    @property
    @abstractmethod
    def active(self) -> str:
        """This provider's word for a SIM in use."""


@contextlib.contextmanager
def serve(account: Account) -> Iterator[str]:
    """The account behind HTTP on a free port of loopback; gives its address."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(length)
            parts = urlsplit(self.path)
            with lock:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = json.loads(raw) if raw else None
                status, more, document = account.handle(
                    self.command, parts.path, dict(parse_qsl(parts.query)), headers, body
                )
                logs_in = "token" in parts.path or "authenticate" in parts.path
                if account.lost and self.command != "GET" and status < 300 and not logs_in:
                    account.lost -= 1
                    self.close_connection = True
                    return
            data = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**more, "Content-Type": "application/json", "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what was asked stands in the account's log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
