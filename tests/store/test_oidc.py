"""Signing in at an identity provider that runs beside the test: the way there and back, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwk, jwt

from fleet.people import providers
from fleet.registry.secret_box import SecretBox
from tests.asking import HTML, Asking, ask
from tests.identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider
from tests.web_server import Scene, postgres, scene

__all__ = ["postgres", "scene"]

STALE = "UPDATE web_sessions SET stepped_up_at = now() - interval '10 minutes'"


@pytest.fixture
def idp() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


def register(scene: Scene, idp: IdentityProvider, **odd: Any) -> int:
    wish = {
        "municipality": 1, "name": "Kommunens inloggning", "issuer": idp.issuer, "client_id": CLIENT,
        "client_secret": SECRET, "acr": ["loa3", "loa4"], "scopes": "openid", "subject_claim": "sub", **odd,
    }  # fmt: skip
    box = SecretBox(bytes(32))
    return scene.town.do(
        "registry",
        lambda c: providers.add_provider(c, box, actor="console:local", at=datetime.now(UTC), **wish),
    )


async def there_and_back(client: httpx.AsyncClient, path: str, *, twist: Callable[[str], str] = str) -> httpx.Response:
    """From our page to the provider and back with what it answers. ``twist`` changes the address of the way back."""
    sent = await client.get(path, headers=HTML)
    assert sent.status_code == 303, sent.text
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(sent.headers["location"])
    back = urlsplit(twist(answer.headers["location"]))
    return await client.get(f"{back.path}?{back.query}", headers=HTML)


async def connect(asking: Asking, person: int, number: int) -> None:
    async with await asking.signed_in(person) as client:
        done = await there_and_back(client, f"/account/oidc/{number}")
        assert done.status_code == 200
        assert "/account?done=connected" in done.text


def bo_of(scene: Scene) -> int:
    return int(scene.sql("SELECT user_id FROM users WHERE login = 'bo'")[0][0])


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_connected_person_signs_in_and_nobody_else(scene: Scene, idp: IdentityProvider, algorithm: str) -> None:
    idp.algorithm = algorithm
    idp.new_key()
    number = register(scene, idp)

    async def work(asking: Asking) -> None:
        async with asking.client() as client:
            assert "Kommunens inloggning" in (await client.get("/login", headers=HTML)).text
            unknown = await there_and_back(client, f"/sign-in/oidc/{number}")
            assert unknown.status_code == 401
            assert "livlina_session" not in client.cookies
        await connect(asking, bo_of(scene), number)
        async with asking.client() as client:
            done = await there_and_back(client, f"/sign-in/oidc/{number}?next=/operators/closed")
            assert done.status_code == 200
            # A redirect would not carry the strict cookie on from another site: the page goes on by itself.
            assert 'content="0;url=/operators/closed"' in done.text
            assert (await client.get("/api/cases")).status_code == 200
        idp.subject = "200001010101"
        async with asking.client() as client:
            assert (await there_and_back(client, f"/sign-in/oidc/{number}")).status_code == 401

    ask(scene, work)
    assert scene.sql("SELECT method FROM web_sessions ORDER BY session_id DESC LIMIT 1") == [("oidc",)]
    kept = str(scene.sql("SELECT * FROM identity_links")) + str(scene.sql("SELECT * FROM audit_records"))
    assert "191212121212" not in kept, "a personal identity number is kept as a hash only"
    assert SECRET not in str(scene.sql("SELECT * FROM identity_providers"))


ODD: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another issuer": lambda c: {**c, "iss": "http://127.0.0.1:1"},
    "another client": lambda c: {**c, "aud": "somebody-else"},
    "several clients and none is us": lambda c: {**c, "aud": ["a", "b"]},
    "several clients, given to another": lambda c: {**c, "aud": [CLIENT, "b"], "azp": "b"},
    "no audience": lambda c: {k: v for k, v in c.items() if k != "aud"},
    "another nonce": lambda c: {**c, "nonce": "x"},
    "no nonce": lambda c: {k: v for k, v in c.items() if k != "nonce"},
    "expired": lambda c: {**c, "exp": int(time.time()) - 120},
    "no expiry": lambda c: {k: v for k, v in c.items() if k != "exp"},
    "of the future": lambda c: {**c, "iat": int(time.time()) + 3600},
    "too weak": lambda c: {**c, "acr": "loa2"},
    "without acr": lambda c: {k: v for k, v in c.items() if k != "acr"},
    "nobody": lambda c: {k: v for k, v in c.items() if k != "sub"},
}


@pytest.mark.parametrize("odd", [*ODD, None])
def test_an_id_token_that_does_not_hold_signs_nobody_in(scene: Scene, idp: IdentityProvider, odd: str | None) -> None:
    number = register(scene, idp)

    async def work(asking: Asking) -> None:
        await connect(asking, bo_of(scene), number)
        if odd is not None:
            idp.odd = ODD[odd]
        async with asking.client() as client:
            done = await there_and_back(client, f"/sign-in/oidc/{number}")
            expected = 200 if odd is None else 401  # None is the control: the same way with nothing odd
            assert done.status_code == expected
            assert (await client.get("/api/cases")).status_code == expected

    ask(scene, work)


def test_a_way_back_works_once_in_the_browser_that_went_there(scene: Scene, idp: IdentityProvider) -> None:
    number = register(scene, idp)

    def other_state(address: str) -> str:
        return address.replace("state=", "state=x")

    def other_issuer(address: str) -> str:
        return address.replace("iss=http", "iss=https")

    def no_code(address: str) -> str:
        return address.replace("code=", "error=access_denied&was=")

    async def work(asking: Asking) -> None:
        await connect(asking, bo_of(scene), number)
        for twist in (other_state, other_issuer, no_code):
            async with asking.client() as client:
                done = await there_and_back(client, f"/sign-in/oidc/{number}", twist=twist)
                assert done.status_code == 401, twist
                assert "livlina_session" not in client.cookies
        async with asking.client() as thief, asking.client() as client:
            seen: list[str] = []
            await there_and_back(
                client, f"/sign-in/oidc/{number}", twist=lambda address: seen.append(address) or address
            )
            back = urlsplit(seen[0])
            assert (await client.get("/api/cases")).status_code == 200
            for again in (thief, client):  # an address that was caught, and one that is opened again
                answer = await again.get(f"{back.path}?{back.query}", headers=HTML)
                assert answer.status_code == 401
            assert "livlina_session" not in thief.cookies

    ask(scene, work)
    assert scene.sql("SELECT count(*) FROM sign_in_tickets WHERE expires_at < now()") == [(0,)]


def test_the_provider_may_change_its_keys_and_a_strangers_key_signs_nothing(
    scene: Scene, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = register(scene, idp)

    async def work(asking: Asking) -> None:
        steady = [1000.0]
        asking.app.state.web.providers._steady = lambda: steady[0]
        await connect(asking, bo_of(scene), number)
        idp.new_key()
        steady[0] += 31
        async with asking.client() as client:
            assert (await there_and_back(client, f"/sign-in/oidc/{number}")).status_code == 200
        asked = idp.asked.count("/keys")
        stranger = jwk.ECKey.generate_key("P-256", {"kid": idp.key.kid, "use": "sig"})
        real = jwt.encode
        monkeypatch.setattr(jwt, "encode", lambda header, claims, _key: real(header, claims, stranger))
        for _ in range(3):
            async with asking.client() as client:
                assert (await there_and_back(client, f"/sign-in/oidc/{number}")).status_code == 401
        assert idp.asked.count("/keys") == asked, "a flood of bad tokens does not become a flood at the provider"
        monkeypatch.setattr(
            jwt, "encode", lambda header, claims, _key: real({"alg": "HS256"}, claims, jwk.OctKey.import_key("x" * 32))
        )
        async with asking.client() as client:
            assert (await there_and_back(client, f"/sign-in/oidc/{number}")).status_code == 401, "no shared secrets"

    ask(scene, work)


def test_stepping_up_asks_the_provider_to_ask_again(scene: Scene, idp: IdentityProvider) -> None:
    number = register(scene, idp)
    root = scene.town.person("root", ("administrator", 0))

    async def work(asking: Asking) -> None:
        await connect(asking, root, number)
        async with await asking.signed_in(root, "oidc") as client:
            scene.sql(STALE)
            sent = await client.get(f"/step-up/oidc/{number}?next=/people", headers=HTML)
            query = parse_qs(urlsplit(sent.headers["location"]).query)
            assert query["max_age"] == ["0"]
            assert query["acr_values"] == ["loa3 loa4"]
            idp.auth_time = time.time() - 3600
            assert (await there_and_back(client, f"/step-up/oidc/{number}?next=/people")).status_code == 401
            form = {"login": "nils", "role": "auditor", "place": "m1"}
            assert (await client.post("/people", data=form, headers=HTML)).status_code == 303
            idp.auth_time = None
            done = await there_and_back(client, f"/step-up/oidc/{number}?next=/people")
            assert 'content="0;url=/people"' in done.text
            assert (await client.post("/people", data=form, headers=HTML)).status_code == 200
            # Somebody else at the provider does not step up this person.
            scene.sql(STALE)
            idp.subject = "200001010101"
            assert (await there_and_back(client, f"/step-up/oidc/{number}?next=/people")).status_code == 401
            assert (await client.post("/people", data={**form, "login": "n2"}, headers=HTML)).status_code == 303

    ask(scene, work)


def test_a_provider_that_is_away_or_removed_lets_the_others_in(scene: Scene, idp: IdentityProvider) -> None:
    away = register(scene, idp, issuer="http://127.0.0.1:9", name="Borta")
    number = register(scene, idp)

    async def work(asking: Asking) -> None:
        async with asking.client() as client:
            assert (await client.get(f"/sign-in/oidc/{away}", headers=HTML)).status_code == 503
            assert (await client.get("/login", headers=HTML)).status_code == 200

    ask(scene, work)
    scene.town.do(
        "registry", lambda c: providers.remove_provider(c, number, actor="console:local", at=datetime.now(UTC))
    )

    async def removed(asking: Asking) -> None:
        async with asking.client() as client:
            assert (await client.get(f"/sign-in/oidc/{number}", headers=HTML)).status_code == 404
            assert "Kommunens inloggning" not in (await client.get("/login", headers=HTML)).text

    ask(scene, removed)
    assert scene.sql("SELECT client_secret FROM identity_providers WHERE provider_id = %s", number) == [(None,)]


@pytest.mark.parametrize(
    ("odd", "reason"),
    [({"issuer": "http://id.example"}, "issuer"), ({"issuer": "http://localhost.evil.example"}, "issuer"),
     ({"scopes": "profile"}, "scopes"), ({"client_id": ""}, "name")],
)  # fmt: skip
def test_a_provider_is_spoken_to_over_https(
    scene: Scene, idp: IdentityProvider, odd: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError) as refused:
        register(scene, idp, **odd)
    assert getattr(refused.value, "reason", None) == reason
