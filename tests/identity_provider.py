"""A small OpenID Connect provider on loopback with keys of its own: discovery, keys, authorization, tokens.

It keeps to OpenID Connect Core for the code flow with PKCE and signs with RS256 or ES256. ``odd`` changes one thing
that it says, so that a test can see what is refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

from joserfc import jwk, jwt

from tests.ports import free_port

CLIENT, SECRET = "livlina", "a secret between the two"


class IdentityProvider:
    """One provider; ``issuer`` is where it listens. ``subject`` is who signs in there."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.issuer = f"http://127.0.0.1:{server.server_address[1]}"
        self.subject = "191212121212"
        self.acr = "loa3"
        self.algorithm = "ES256"
        self.auth_time: float | None = None
        self.odd: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self.new_key()

    def new_key(self) -> None:
        """Another signing key; the old one is no longer among the published ones."""
        kid = secrets.token_hex(4)
        self.key: Any = (
            jwk.ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})
            if self.algorithm == "ES256"
            else jwk.RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})
        )

    def get(self, path: str) -> tuple[int, dict[str, Any] | str]:
        """The answer to a GET: a JSON document, or the address of a redirect."""
        parts = urlsplit(path)
        self.asked.append(parts.path)
        if parts.path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            }  # fmt: skip
        if parts.path == "/keys":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        if parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            assert asked["response_type"] == "code"
            assert asked["code_challenge_method"] == "S256"
            assert asked["client_id"] == CLIENT
            code = secrets.token_urlsafe(16)
            self._codes[code] = asked
            return (
                303,
                f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}",
            )
        return 404, {}

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint; a code works once, for who knows the verifier and the client's secret."""
        self.asked.append("/token")
        expected = base64.b64encode(f"{quote_plus(CLIENT)}:{quote_plus(SECRET)}".encode()).decode()
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if authorization != f"Basic {expected}":
            return 401, {"error": "invalid_client"}
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        now = time.time()
        shown = now if "max_age" in asked else now - 3600
        shown = shown if self.auth_time is None else self.auth_time
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": self.subject, "nonce": asked["nonce"], "acr": self.acr,
            "iat": int(now), "exp": int(now) + 300, "auth_time": int(shown),
        }  # fmt: skip
        header = {"alg": self.algorithm, "kid": self.key.kid}
        token = jwt.encode(header, self.odd(claims), self.key)
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": token}


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """A provider that runs until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = provider.get(self.path)
            self._answer(status, body)

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            form = {name: values[0] for name, values in parse_qs(raw).items()}
            self._answer(*provider.token(form, self.headers.get("Authorization", "")))

        def _answer(self, status: int, body: dict[str, Any] | str) -> None:
            octets = b"" if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            if isinstance(body, str):
                self.send_header("Location", body)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    provider = IdentityProvider(server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
