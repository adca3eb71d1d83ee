"""Which SIM goes first, who survives, and what is an ICCID: properties and the cases behind them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.connectivity.decide import FRESH, SimError, check_digit, checked_iccid, choose, counted, judge, may_use
from fleet.connectivity.model import Closing, Failure, Path, Policy, SlotView

NOW = datetime(2027, 3, 1, 22, tzinfo=UTC)
TELIA, TRE = 24001, 24002
moments = st.integers(0, 100 * 3600).map(lambda seconds: NOW - timedelta(seconds=seconds))


@st.composite
def paths(draw: st.DrawFn) -> Path:
    slot = draw(st.integers(0, 2))
    operator = draw(st.sampled_from([TELIA, TRE, 24007])) if slot else 0
    network = {TELIA: "Telia", TRE: "Tre", 24007: "Net"}.get(operator, "")
    issuer = draw(st.sampled_from(["A", "B"])) if slot else ""
    proven = draw(st.none() | moments)
    return Path(1, slot, operator, 3, network, issuer, draw(moments), proven, draw(st.booleans()))


failures = st.sampled_from(
    [Failure("operator", "24001"), Failure("operator", "24002"), Failure("issuer", "A"), Failure("network", "Net")]
)


@given(st.lists(paths(), max_size=8), failures)
def test_whoever_survives_has_a_way_that_needs_nothing_that_is_down(found: list[Path], failure: Failure) -> None:
    one = judge(1, found, failure, NOW)
    usable = [path for path in found if path.usable]
    assert (one.fate == "unknown") == (not usable)
    if one.left is not None:
        assert one.left.usable
        if failure.kind == "operator":
            assert str(one.left.operator) != failure.value
    if one.fate == "survives":
        assert one.left is not None
        assert one.left.proven_at is not None
        assert NOW - one.left.proven_at <= FRESH
    if one.fate == "lost":
        assert all(path.slot for path in usable)
    assert counted([one])["units"] == 1


@given(st.lists(paths(), min_size=1, max_size=6), paths(), failures)
def test_another_proven_way_never_makes_it_worse(found: list[Path], more: Path, failure: Failure) -> None:
    rank = {"unknown": 0, "lost": 1, "doubtful": 2, "survives": 3, "unaffected": 4}
    older = more._replace(seen_at=NOW - timedelta(days=30), proven_at=None)
    before, after = (judge(1, ways, failure, NOW) for ways in (found, [*found, older]))
    if before.fate != "unknown":
        assert rank[after.fate] >= rank[before.fate]


@given(st.text("0123456789", min_size=15, max_size=17))
def test_exactly_one_last_digit_is_right(rest: str) -> None:
    right = []
    for digit in "0123456789":
        try:
            right.append(checked_iccid(f"89{rest}{digit}"))
        except SimError:
            continue
    assert right == [f"89{rest}{check_digit('89' + rest)}"]


def test_an_iccid_is_read_as_it_is_printed() -> None:
    assert checked_iccid("8988 3030-0000 8013 9311") == "89883030000080139311"
    assert checked_iccid("89883030000080139311") == "89883030000080139311", "an example of a provider's documentation"
    for wrong in ("", "46701234567", "1234567890123456789", "8946x00000000000000", "89883030000080139312", "８９" * 10):
        with pytest.raises(SimError):
            checked_iccid(wrong)


def view(slot: int, *, good: float | None = 3600, operator: int = TELIA, radio: int = 3, **more: object) -> SlotView:
    since = None if good is None else NOW - timedelta(seconds=good)
    return SlotView(slot, operator, radio, since, **more)  # type: ignore[arg-type]


def test_a_unit_leaves_at_once_and_comes_back_late() -> None:
    policy = Policy(preferred=1)
    assert choose(policy, {1: view(1, good=None), 2: view(2)}, 1, NOW, NOW).slot == 2
    assert choose(policy, {1: view(1, good=3599), 2: view(2)}, 2, None, NOW).slot == 2
    back = choose(policy, {1: view(1), 2: view(2)}, 2, None, NOW)
    assert (back.slot, back.is_return) == (1, True)
    hour = timedelta(hours=1)
    assert choose(policy, {1: view(1), 2: view(2)}, 2, NOW - hour + timedelta(seconds=1), NOW).slot == 2
    assert choose(policy, {1: view(1), 2: view(2)}, 2, NOW - hour, NOW).slot == 1


def test_what_may_not_be_used_is_left_and_where_nothing_may_the_unit_stays() -> None:
    shut = Policy(preferred=1, forbidden=(TELIA,))
    assert choose(shut, {1: view(1), 2: view(2, operator=TRE)}, 1, NOW, NOW).slot == 2
    stays = choose(shut, {1: view(1), 2: view(2)}, 1, None, NOW)
    assert (stays.slot, stays.stuck) == (1, True)
    abroad = view(2, operator=TRE, roaming=True)
    assert may_use(Policy(), abroad, NOW)
    assert not may_use(Policy(roaming=False), abroad, NOW)
    closing = Policy(closings=(Closing(TELIA, 1, NOW + timedelta(days=1)),))
    assert may_use(closing, view(1, radio=1), NOW)
    assert not may_use(closing, view(1, radio=1), NOW + timedelta(days=1))
    assert may_use(closing, view(1, radio=3), NOW + timedelta(days=1))


def test_without_a_preference_only_a_clearly_stronger_sim_draws() -> None:
    policy = Policy(preferred=None, margin_db=6)
    assert choose(policy, {1: view(1, signal=-100), 2: view(2, signal=-95)}, 1, None, NOW).slot == 1
    assert choose(policy, {1: view(1, signal=-100), 2: view(2, signal=-94)}, 1, None, NOW).slot == 2


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 1200)), min_size=1, max_size=200))
def test_a_unit_returns_at_most_once_an_hour_however_its_sims_flap(steps: list[tuple[bool, bool, int]]) -> None:
    policy, on, last, at = Policy(preferred=1), 1, None, NOW
    good: dict[int, datetime | None] = {1: NOW, 2: NOW}
    returns: list[datetime] = []
    for first, second, wait in steps:
        at += timedelta(seconds=wait)
        for slot, works in ((1, first), (2, second)):
            good[slot] = (good[slot] or at) if works else None
        views = {slot: SlotView(slot, TELIA, 3, since) for slot, since in good.items()}
        choice = choose(policy, views, on, last, at)
        if choice.is_return:
            returns.append(at)
            last = at
        on = choice.slot or on
    assert all(b - a >= timedelta(hours=1) for a, b in itertools.pairwise(returns))
