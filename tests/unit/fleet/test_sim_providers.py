"""The adapters to SIM providers over real HTTP on loopback, against providers that behave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fleet.connectivity.provider import NotOffered, ProviderError
from fleet.connectivity.provider_onence import OneNce
from fleet.connectivity.provider_rest import OptionsError, checked_options
from sim.providers.rest import OPTIONS
from tests.sim_accounts import ACTIVE, KINDS, SECRET, Scene, account, iccid_of, open_provider

ONE = iccid_of(1)
kinds = pytest.mark.parametrize("kind", KINDS)


def talk(scene: Scene, work: Callable[[], Awaitable[Any]]) -> Any:
    """Runs it and closes; connections do not outlive their loop."""

    async def run() -> Any:
        try:
            return await work()
        finally:
            await scene.provider.close()

    return asyncio.run(run())


@kinds
def test_a_list_of_many_pages_is_read_whole(kind: str) -> None:
    with account(kind, cards=230) as scene:
        found = talk(scene, scene.provider.sims)
    assert sorted(view.iccid for view in found) == [iccid_of(n) for n in range(1, 231)]
    assert {view.state for view in found} == {"suspended"}
    assert len([one for one in scene.account.log if one[0] == "GET"]) in (3, 6)


@kinds
def test_a_state_is_asked_for_and_changes_later(kind: str) -> None:
    with account(kind, delay_s=30) as scene:

        async def work() -> list[str]:
            view = await scene.provider.sim(ONE)
            await scene.provider.set_state(view, "active")
            await scene.provider.set_state(view, "active")
            states = [(await scene.provider.sim(ONE)).state]
            scene.time.s += 31
            return [*states, (await scene.provider.sim(ONE)).state]

        assert talk(scene, work) == ["suspended", "active"]
        assert scene.account.cards[ONE].state == ACTIVE[kind]


@kinds
def test_a_reset_a_limit_and_usage(kind: str) -> None:
    with account(kind) as scene:
        card = scene.account.cards[ONE]
        card.used_mb = 3.0

        async def work() -> int:
            view = await scene.provider.sim(ONE)
            await scene.provider.reset(view)
            if kind == "onence":
                with pytest.raises(NotOffered):
                    await scene.provider.limit(view, 5_000_000)
            else:
                await scene.provider.limit(view, 5_000_000)
            return (await scene.provider.usage(view)).octets

        assert talk(scene, work) == 3_000_000
        assert card.resets == 1
        assert card.quota_mb == (None if kind == "onence" else 5)


@kinds
def test_a_provider_s_view_is_late_and_says_so_by_its_word(kind: str) -> None:
    with account(kind, stale_s=86_400) as scene:
        card = scene.account.cards[ONE]
        card.state, card.seen_at = ACTIVE[kind], scene.time.s

        async def work() -> list[str]:
            view = await scene.provider.sim(ONE)
            seen = [(await scene.provider.session(view)).session]
            card.attached = False
            scene.time.s += 3600
            seen.append((await scene.provider.session(view)).session)
            scene.time.s += 86_400
            return [*seen, (await scene.provider.session(view)).session]

        assert talk(scene, work) == ["online", "attached", "offline"], "it has been away all the while"


@pytest.mark.parametrize("kind", ["emnify", "onence"])
def test_a_token_is_bought_once_and_renewed_before_and_after_it_ends(kind: str) -> None:
    with account(kind, token_s=4 * 3600.0) as scene:

        def bought() -> int:
            return len([path for _, path in scene.account.log if "authenticate" in path or "token" in path])

        async def work() -> list[int]:
            counts = []
            for step in (0, 60, 4 * 3600):
                scene.time.s += step
                await scene.provider.sim(ONE)
                counts.append(bought())
            scene.account._tokens.clear()  # the provider forgets them before their time
            await scene.provider.sim(ONE)
            return [*counts, bought()]

        assert talk(scene, work) == [1, 1, 2, 3]


@kinds
def test_a_wrong_secret_is_said_without_it_and_not_tried_for_ever(kind: str) -> None:
    with account(kind) as scene:
        scene.provider = open_provider(kind, scene.url, scene.time, "client:wrong-secret")
        with pytest.raises(ProviderError) as refused:
            talk(scene, lambda: scene.provider.sim(ONE))
        assert refused.value.again_s is None
        assert "wrong-secret" not in str(refused.value)
        assert len(scene.account.log) <= 2


@kinds
def test_too_many_requests_and_a_provider_that_is_away_are_for_later(kind: str) -> None:
    with account(kind, burst=1, window_s=7) as scene:
        scene.provider = open_provider(kind, scene.url, scene.time)

        async def twice() -> None:
            await scene.provider.sim(ONE)
            await scene.provider.sim(ONE)

        with pytest.raises(ProviderError) as later:
            talk(scene, twice)
        assert later.value.again_s == 7
        url = scene.url
    gone = open_provider(kind, url, scene.time)
    with pytest.raises(ProviderError) as away:
        asyncio.run(gone.sim(ONE))
    assert away.value.again_s is not None
    assert away.value.sent is False


@kinds
def test_an_answer_that_is_lost_may_have_been_carried_out(kind: str) -> None:
    with account(kind) as scene:

        async def work() -> None:
            view = await scene.provider.sim(ONE)
            scene.account.lost = 1
            await scene.provider.reset(view)

        with pytest.raises(ProviderError) as lost:
            talk(scene, work)
        assert lost.value.sent
        assert scene.account.cards[ONE].resets == 1


@kinds
def test_an_unknown_sim_is_no_fault_of_the_network(kind: str) -> None:
    with account(kind) as scene:
        with pytest.raises(ProviderError, match="another account") as unknown:
            talk(scene, lambda: scene.provider.sim(iccid_of(99)))
        assert unknown.value.again_s is None


def test_networks_are_listed_where_they_are_offered() -> None:
    with account("emnify") as scene:
        found = talk(scene, scene.provider.networks)
        assert [(one.name, one.operators) for one in found] == [("Telia", (24001,))]
    for kind in ("onence", "rest"):
        with account(kind) as scene, pytest.raises(NotOffered):
            talk(scene, scene.provider.networks)


def test_a_description_of_a_provider_is_checked() -> None:
    assert checked_options(OPTIONS) == OPTIONS
    wrong: list[dict[str, Any]] = [
        {}, {**OPTIONS, "other": 1}, {**OPTIONS, "calls": {"sims": "GET /x"}}, {**OPTIONS, "fields": {"iccid": "a"}},
        {**OPTIONS, "calls": {**OPTIONS["calls"], "reset": "POST"}}, {**OPTIONS, "states": {"on": "running"}},
    ]  # fmt: skip
    for options in wrong:
        with pytest.raises(OptionsError):
            checked_options(options)
    with pytest.raises(ProviderError, match="CLIENT_ID"):
        OneNce("http://127.0.0.1:1", SECRET.partition(":")[0], steady=lambda: 0.0)
