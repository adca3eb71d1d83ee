"""Units judged by the bearers that they were seen on: each class, what counts as proof, and the calendar's dates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.connectivity import calendar, classify
from fleet.connectivity.calendar import Calendar, CalendarError, Row
from fleet.connectivity.calendar_rows import ANY, NETWORKS, ROWS
from fleet.connectivity.sunset_model import Seen, Sim, Unit, Verdict
from sim import sunset_fleet

TODAY = date(2026, 10, 1)
END = date(2027, 12, 31)
DATES = calendar.shipped()
NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


def seen(slot: int = 1, technology: str = "gsm", operator: str = "telia", days: int = 1, proven: int | None = None,
         firmware: str | None = "F1") -> Seen:  # fmt: skip
    day = None if proven is None else TODAY - timedelta(days=proven)
    return Seen(slot, operator, "SE", technology, TODAY - timedelta(days=days), day, None if day is None else firmware)


def unit(*bearers: Seen, can: set[str] | None = None, **other: object) -> Unit:
    made = Unit(1, "social", seen=bearers, modem_firmware="F1", modem_says=None if can is None else frozenset(can))
    return replace(made, **other)  # type: ignore[arg-type]


def judge(what: Unit, dates: Calendar = DATES, peers: dict[str, frozenset[str]] | None = None) -> Verdict:
    return classify.judge(what, dates, TODAY, peers or {})


def test_what_was_proven_on_a_network_that_stays_is_fine() -> None:
    found = judge(unit(seen(technology="lte_m", proven=10), seen()))
    assert (found.what, found.doomed, found.stranded, found.deadline) == ("fine", False, False, None)


def test_seen_but_not_proven_is_not_fine() -> None:
    found = judge(unit(seen(technology="lte"), seen(proven=1)))
    assert (found.what, found.doomed) == ("unknown", False)


@pytest.mark.parametrize("proof", [seen(technology="lte", proven=401), seen(technology="lte", proven=9, firmware="F0")])
def test_a_proof_that_is_old_or_of_another_modem_firmware_does_not_count(proof: Seen) -> None:
    assert judge(unit(proof)).what == "unknown"


@pytest.mark.parametrize(
    ("can", "allows", "what"),
    [
        ({"gsm"}, None, "hardware_swap"),
        ({"gsm", "lte_m"}, None, "over_the_air"),
        ({"gsm", "lte_m"}, {"gsm", "lte_m"}, "over_the_air"),
        ({"gsm", "lte_m"}, {"gsm"}, "sim_swap"),
        (None, None, "unknown"),
    ],
)
def test_what_helps_a_unit_whose_networks_all_end(can: set[str] | None, allows: set[str] | None, what: str) -> None:
    sims = (Sim(1, "", None if allows is None else frozenset(allows)),)
    found = judge(unit(seen(proven=5), can=can, sims=sims))
    assert (found.what, found.doomed, found.stranded, found.deadline) == (what, True, True, END)


def test_the_list_of_models_is_never_read() -> None:
    for listed in (None, frozenset({"lte"}), frozenset({"gsm"})):
        assert judge(unit(seen(), can={"gsm"}, listed=listed)).what == "hardware_swap"


def test_what_others_with_the_same_modem_firmware_were_seen_on_counts_when_there_are_enough() -> None:
    others = [Unit(number, "social", seen=(seen(technology="lte_m"),), modem_firmware="F1") for number in range(2, 22)]
    assert judge(unit(seen()), peers=dict(classify.shown_by_peers(others))).what == "over_the_air"
    assert judge(unit(seen()), peers=dict(classify.shown_by_peers(others[:-1]))).what == "unknown"
    # The modem's own word goes before theirs.
    assert judge(unit(seen(), can={"gsm"}), peers=dict(classify.shown_by_peers(others))).what == "hardware_swap"


def test_a_bearer_of_long_ago_is_none_but_shows_what_the_modem_can_do() -> None:
    found = judge(unit(seen(technology="lte", days=300, proven=200), seen()))
    assert (found.what, found.doomed) == ("over_the_air", True)


def test_a_unit_that_keeps_one_sim_is_not_stranded_and_has_one_path() -> None:
    found = judge(unit(seen(1, proven=1), seen(2, "lte", "tre", proven=2), can={"gsm"}))
    assert (found.doomed, found.stranded, found.single_path, found.deadline) == (True, False, True, END)


def test_two_sims_on_the_same_masts_are_one_path() -> None:
    pair = (seen(1, "lte", "tele2", proven=1), seen(2, "lte", "telenor", proven=1))
    assert judge(unit(*pair)).single_path
    assert not judge(unit(pair[0], seen(2, "lte", "telia", proven=1))).single_path


def test_a_stranded_unit_lives_until_its_last_sim_goes() -> None:
    found = judge(unit(seen(1, operator="tele2"), seen(2), can={"gsm"}))
    assert (found.stranded, found.deadline) == (True, END)


def test_never_seen_needs_a_survey() -> None:
    assert (judge(unit()).what, judge(unit()).doomed) == ("unknown", False)


def test_after_the_day_and_not_before_activation_is_refused_with_what_to_do() -> None:
    found = judge(unit(seen(), can={"gsm"}))
    assert classify.refuse_activation(found, END) is None
    said = classify.refuse_activation(found, END + timedelta(days=1))
    assert said is not None and "2027-12-31" in said and "another unit" in said
    assert classify.refuse_activation(judge(unit(seen(technology="lte"))), END + timedelta(days=1)) is None


@pytest.mark.parametrize(("units", "seed"), [(11_000, 1), (500, 2), (777, 3)])
def test_exactly_the_right_units_although_the_list_of_models_is_wrong(units: int, seed: int) -> None:
    made = sunset_fleet.make(units, seed, TODAY, sim_swaps=0.1, operators=("telia",))
    found = {one.unit.number: one.what for one in classify.judge_all(made.units, DATES, TODAY)}
    assert found == made.truth
    doomed = [one for one in classify.judge_all(made.units, DATES, TODAY) if one.doomed]
    assert len(doomed) == round(units * 0.4)
    by_list = {one.number for one in made.units if not (one.listed or frozenset()) & {"lte", "lte_m"}}
    assert by_list != {number for number, so in made.truth.items() if so == "hardware_swap"}


technologies = st.sampled_from(["gsm", "umts", "lte", "lte_m"])
bearers = st.builds(
    seen, st.integers(1, 2), technologies, st.sampled_from(["telia", "tele2", "tre", "plmn-1"]), st.integers(0, 400),
    st.none() | st.integers(0, 500),
)  # fmt: skip


@given(st.lists(bearers, max_size=5), st.none() | st.sets(technologies))
def test_no_unit_is_fine_without_a_proven_bearer_that_stays(found: list[Seen], can: set[str] | None) -> None:
    verdict = judge(unit(*found, can=can))
    stays = [one for one in found if DATES.last_day(one.operator, one.technology, "SE") is None]
    if verdict.what == "fine" or (verdict.doomed and not verdict.stranded):
        assert any(one.proven is not None for one in stays)
    if verdict.stranded:
        assert verdict.deadline is not None
    assert not verdict.stranded or verdict.single_path


def test_the_shipped_rows() -> None:
    assert len(DATES.rows) == len(ROWS)
    for operator in ("tele2", "telenor", "tre"):
        assert DATES.last_day(operator, "gsm", "SE") == date(2025, 11, 30)
    assert DATES.last_day("telia", "umts", "SE") == date(2025, 11, 30)
    assert DATES.last_day("telia", "gsm", "SE") == END
    assert DATES.last_day("anybody", "gsm", "FI") == date(2029, 12, 31)
    assert DATES.last_day("telia", "lte", "SE") is None
    assert all(region for _, region in NETWORKS.values()) and ANY not in {name for name, _ in NETWORKS.values()}


def test_a_moved_date_keeps_what_was_and_who_moved_it() -> None:
    row = Row("tele2", "gsm", "SE", END, "a letter")
    moved = DATES.moved(row, actor="person:1", at=NOW)
    assert moved.last_day("tele2", "gsm", "SE") == END
    assert DATES.last_day("tele2", "gsm", "SE") == date(2025, 11, 30)
    (change,) = moved.changes
    assert change.was is not None
    assert (change.actor, change.was.last_day, change.row) == ("person:1", date(2025, 11, 30), row)
    with pytest.raises(CalendarError):
        DATES.moved(row, actor=" ", at=NOW)
    with pytest.raises(CalendarError):
        DATES.moved(row, actor="person:1", at=NOW.replace(tzinfo=None))


def test_moves_are_read_and_refused() -> None:
    assert calendar.read_move("Telia:2G:2027-12-31") == ("telia", "gsm", "SE", END)
    assert calendar.read_move("*:gsm:no:2027-12-31") == ("*", "gsm", "NO", END)
    for wrong in ("telia:2g", "telia:6g:2027-12-31", "telia:2g:31/12", "a b:2g:2027-12-31", "telia:2g:SWE:2027-12-31"):
        with pytest.raises(CalendarError):
            calendar.read_move(wrong)
    with pytest.raises(CalendarError):
        calendar.of([Row("a", "gsm", "SE", END, "x")] * 2)
