"""OpenID Connect towards a municipality's identity provider: discovery, the way there, and what comes back.

Authorization code with PKCE (RFC 7636). Checked of the ID token: signature by a key of the provider, issuer, audience,
expiry, nonce, and where the municipality asks for it acr and auth_time (OpenID Connect Core 1.0, 3.1.3.7).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from fleet.web.decide import is_loopback

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
"""Never none, never a shared secret."""

_KEPT_S = 600.0
_AGAIN_S = 30.0
_LEEWAY_S = 60
_PATIENCE_S = 6.0
_LARGEST = 256 * 1024


class ProviderError(RuntimeError):
    """The provider cannot be reached, or what it said does not hold. The message says which part, for the log."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider as a municipality has registered it."""

    number: int
    issuer: str
    client_id: str
    client_secret: str | None
    acr: tuple[str, ...]
    scopes: str
    subject_claim: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """Everything secret about one way to a provider and back, out of the ticket that only the browser holds."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def of(cls, ticket: str) -> Secrets:
        """Three values that say nothing about each other; the verifier has the 43 characters of RFC 7636."""
        return cls(*(_derived(ticket, name) for name in ("state", "nonce", "verifier")))


class Providers:
    """Talks to providers; keeps their documents and keys for ten minutes, and asks anew when a key is unknown."""

    def __init__(self, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._documents: dict[str, tuple[float, dict[str, Any]]] = {}
        self._keys: dict[str, tuple[float, jwk.KeySet]] = {}

    async def way_there(self, provider: Provider, secrets: Secrets, back: str, *, fresh: bool) -> str:
        """The address at the provider to send the browser to. ``fresh``: it must ask the person again.

        Raises ProviderError.
        """
        document = await self._document(provider.issuer)
        challenge = _base64url(hashlib.sha256(secrets.verifier.encode()).digest())
        query = {
            "response_type": "code", "client_id": provider.client_id, "redirect_uri": back, "scope": provider.scopes,
            "state": secrets.state, "nonce": secrets.nonce, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        if provider.acr:
            query["acr_values"] = " ".join(provider.acr)
        if fresh:
            query |= {"max_age": "0", "prompt": "login"}
        there = _endpoint(document, "authorization_endpoint")
        return f"{there}{'&' if urlsplit(there).query else '?'}{urlencode(query)}"

    async def subject(
        self, provider: Provider, secrets: Secrets, back: str, code: str, *, now: float, since: float | None
    ) -> str:
        """Who came back with this code: the claim that the municipality chose. ``now`` is Unix time.

        ``since``: the person must have shown who they are after this moment (step-up). Raises ProviderError.
        """
        document = await self._document(provider.issuer)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back,
                "code_verifier": secrets.verifier, "client_id": provider.client_id}  # fmt: skip
        identity = None
        if provider.client_secret is not None:  # each part is form-encoded first (RFC 6749, 2.3.1)
            identity = (quote_plus(provider.client_id), quote_plus(provider.client_secret))
        answer = await self._ask("POST", _endpoint(document, "token_endpoint"), data=form, auth=identity)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderError("the token answer holds no ID token")
        claims = await self._claims(provider, document, token)
        check_claims(claims, provider, secrets.nonce, now=now, since=since)
        subject = claims.get(provider.subject_claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise ProviderError(f"the ID token names nobody in {provider.subject_claim}")
        return subject

    async def _claims(self, provider: Provider, document: Mapping[str, Any], token: str) -> dict[str, Any]:
        address = _endpoint(document, "jwks_uri")
        keys, kept = await self._key_set(address, renew=False)
        try:
            return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError) as error:
            if not kept:
                raise ProviderError(f"the ID token's signature does not hold: {type(error).__name__}") from error
        # The provider may have changed its key since we looked.
        keys, _ = await self._key_set(address, renew=True)
        try:
            return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError) as error:
            raise ProviderError(f"the ID token's signature does not hold: {type(error).__name__}") from error

    async def _key_set(self, address: str, *, renew: bool) -> tuple[jwk.KeySet, bool]:
        """(keys, whether they were kept from before). A renewal comes at most every 30 s, whoever asks."""
        at = self._steady()
        kept = self._keys.get(address)
        if kept is not None and at - kept[0] < (_AGAIN_S if renew else _KEPT_S):
            return kept[1], True
        try:
            keys = jwk.KeySet.import_key_set(await self._ask("GET", address))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderError(f"the provider's keys cannot be read: {type(error).__name__}") from error
        self._keys[address] = (at, keys)
        return keys, False

    async def _document(self, issuer: str) -> dict[str, Any]:
        at = self._steady()
        kept = self._documents.get(issuer)
        if kept is not None and at - kept[0] < _KEPT_S:
            return kept[1]
        check_address(issuer)
        document = await self._ask("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise ProviderError("the discovery document is another issuer's")
        self._documents[issuer] = (at, document)
        return document

    async def _ask(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        check_address(address)
        try:
            async with httpx.AsyncClient(timeout=_PATIENCE_S, follow_redirects=False) as client:
                answer = await client.request(method, address, headers={"Accept": "application/json"}, **more)
            if answer.status_code != 200 or len(answer.content) > _LARGEST:
                raise ProviderError(f"{urlsplit(address).path} answers {answer.status_code}")
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderError(f"{urlsplit(address).path} gives no answer: {type(error).__name__}") from error
        if not isinstance(found, dict):
            raise ProviderError(f"{urlsplit(address).path} answers no JSON object")
        return found


def check_address(address: str) -> None:
    """Raises ProviderError for an address that is not https; loopback may be http, for tests on one machine."""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and is_loopback(parts.netloc):
        return
    raise ProviderError("a provider is spoken to over https")


def check_claims(claims: Mapping[str, Any], provider: Provider, nonce: str, *, now: float, since: float | None) -> None:
    """Raises ProviderError with the claim that does not hold. ``now`` and ``since`` are Unix time."""
    if claims.get("iss") != provider.issuer:
        raise ProviderError("iss: the ID token is another issuer's")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or provider.client_id not in audiences:
        raise ProviderError("aud: the ID token is for another client")
    if len(audiences) > 1 and claims.get("azp") != provider.client_id:
        raise ProviderError("azp: the ID token was given to another client")
    expires, issued = claims.get("exp"), claims.get("iat")
    if not _is_time(expires) or expires + _LEEWAY_S <= now:
        raise ProviderError("exp: the ID token has expired")
    if not _is_time(issued) or issued - _LEEWAY_S > now:
        raise ProviderError("iat: the ID token comes from the future")
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise ProviderError("nonce: the ID token belongs to another sign-in")
    if provider.acr and claims.get("acr") not in provider.acr:
        raise ProviderError("acr: the person was not identified strongly enough")
    shown = claims.get("auth_time")
    if since is not None and (not _is_time(shown) or shown + _LEEWAY_S < since):
        raise ProviderError("auth_time: the provider did not ask the person again")


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _endpoint(document: Mapping[str, Any], name: str) -> str:
    address = document.get(name)
    if not isinstance(address, str):
        raise ProviderError(f"the discovery document names no {name}")
    check_address(address)
    return address


def _derived(ticket: str, name: str) -> str:
    return _base64url(hmac.new(ticket.encode(), f"livlina oidc {name}".encode(), hashlib.sha256).digest())


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
