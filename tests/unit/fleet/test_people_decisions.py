"""Who may do what where, and whom a centre serves when: the rules alone, without database or clock."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.people.decide import (
    PERMISSIONS,
    held_roles,
    may,
    may_grant,
    may_let_in,
    raises_himself,
    responsible,
    served_by,
    stepped_up,
    within_permission,
)
from fleet.people.model import INSTALLATION, ROLES, Actor, Grant, Plan, Served
from fleet.routines.model import WEEK, Window

DOCS = Path(__file__).parents[3] / "docs" / "people.md"
MONDAY_NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
MONDAY_NIGHT = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
OFFICE = tuple((1, LONG_AGO, Window(day * 1440 + 480, day * 1440 + 1020)) for day in range(5))


def actor(*held: tuple[int, str], person: int | None = 7) -> Actor:
    places = sorted({place for place, _ in held})
    by_place = tuple((place, frozenset(role for where, role in held if where == place)) for place in places)
    return Actor("person:7", frozenset(role for _, role in held), tuple(places), person_id=person, held=by_place)


def served(centre: int, hours: str = "any", **odd: object) -> Served:
    row = Served(1, "alarm_reception", centre, hours, Window(), "Europe/Stockholm", LONG_AGO)
    return replace(row, **odd)  # type: ignore[arg-type]


# A role in one place is none in another -----------------------------------------------------------------------


def test_a_permission_reaches_only_the_places_where_a_role_gives_it() -> None:
    both = actor((1, "operator"), (2, "technician"))
    cases = within_permission(both, "cases.read")
    assert cases.municipalities == (1,)
    assert not may(cases, "tasks.close")
    assert within_permission(both, "tasks.close").municipalities == (2,)
    assert within_permission(both, "people.write").municipalities == ()
    assert not may(within_permission(both, "people.write"), "account.own")


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(ROLES)), max_size=8),
    st.sampled_from(sorted(PERMISSIONS)),
)
def test_no_place_is_seen_without_a_role_there_that_allows_it(held: list[tuple[int, str]], permission: str) -> None:
    narrowed = within_permission(actor(*held), permission)
    for place in range(1, 5):
        allowed = any(where == place and role in PERMISSIONS[permission] for where, role in held)
        assert (place in narrowed.municipalities) == allowed


def test_a_permission_that_does_not_exist_is_a_fault_and_never_a_yes() -> None:
    with pytest.raises(KeyError):
        may(actor((1, "administrator")), "cases.reed")


def test_a_technician_sees_no_cases_and_an_administrator_no_recipients() -> None:
    assert not may(actor((1, "technician")), "cases.read")
    assert not may(actor((1, "technician")), "recipients.read")
    for permission in ("cases.read", "cases.take", "recipients.read", "recipients.open", "search.open"):
        assert not may(actor((INSTALLATION, "administrator")), permission), permission
        assert not may(actor((1, "auditor")), permission), permission


# Grants and places --------------------------------------------------------------------------------------------


def test_a_role_at_the_installation_holds_everywhere_also_in_what_comes_later() -> None:
    held = held_roles([Grant("auditor", INSTALLATION)], Plan((1, 2, 9)), MONDAY_NOON)
    assert held == tuple((place, frozenset({"auditor"})) for place in (0, 1, 2, 9))


def test_a_centre_serves_a_municipality_outside_office_hours_only() -> None:
    plan = Plan((1,), (served(5, "on_call"), served(6, "office")), OFFICE)
    grants = [Grant("operator", None, 5)]
    assert held_roles(grants, plan, MONDAY_NOON) == ()
    assert held_roles(grants, plan, MONDAY_NIGHT) == ((1, frozenset({"operator"})),)
    assert served_by(6, plan, MONDAY_NOON) == {1}
    assert served_by(6, plan, MONDAY_NIGHT) == frozenset()


def test_whoever_had_a_case_when_it_came_sees_it_to_its_end() -> None:
    plan = Plan((1,), (served(5, "on_call"), served(6, "office")), OFFICE, ((1, MONDAY_NIGHT),))
    tuesday_noon = MONDAY_NOON + timedelta(days=1)
    assert served_by(5, plan, tuesday_noon) == {1}
    assert served_by(5, replace(plan, open_since=()), tuesday_noon) == frozenset()


def test_a_hole_in_the_plan_hides_no_alarm() -> None:
    plan = Plan((1,), (served(5, "any", window=Window(0, 60)), served(6, "any", window=Window(60, 120))))
    assert responsible(1, "alarm_reception", plan, at=MONDAY_NOON) == {5, 6}
    assert served_by(5, plan, MONDAY_NOON) == served_by(6, plan, MONDAY_NOON) == {1}
    assert responsible(2, "alarm_reception", plan, at=MONDAY_NOON) == frozenset()


def test_the_newest_version_holds_and_one_of_tomorrow_does_not_yet() -> None:
    tomorrow = MONDAY_NOON + timedelta(days=1)
    plan = Plan((1,), (served(5), served(6, valid_from=MONDAY_NOON), served(7, valid_from=tomorrow)))
    assert responsible(1, "alarm_reception", plan, at=MONDAY_NOON) == {6}
    assert responsible(1, "alarm_reception", plan, at=tomorrow) == {7}


def test_a_service_other_than_reception_shows_no_alarms() -> None:
    assert served_by(5, Plan((1,), (served(5, service="technicians"),)), MONDAY_NOON) == frozenset()


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(["any", "office", "on_call"]), st.integers(0, WEEK - 2),
                  st.integers(1, WEEK)),
        min_size=1, max_size=6,
    ),
    st.datetimes(datetime(2026, 2, 1), datetime(2027, 11, 30), timezones=st.just(UTC)),
)  # fmt: skip
def test_somebody_always_sees_the_alarms_of_a_municipality_that_has_chosen_reception(
    rows: list[tuple[int, str, int, int]], at: datetime
) -> None:
    windows = [(centre, hours, Window(start, max(start + 1, end))) for centre, hours, start, end in rows]
    plan = Plan((1,), tuple(served(centre, hours, window=window) for centre, hours, window in windows), OFFICE)
    assert any(served_by(centre, plan, at) == {1} for centre, _, _ in windows)


# Giving roles -------------------------------------------------------------------------------------------------


def test_an_administrator_gives_roles_at_home_and_nowhere_else() -> None:
    mayor, root = actor((1, "administrator")), actor((INSTALLATION, "administrator"))
    assert may_grant(mayor, "operator", 1)
    assert not may_grant(mayor, "operator", 2)
    assert not may_grant(mayor, "operator", INSTALLATION)
    assert not may_grant(mayor, "operator", None), "a centre belongs to the installation"
    assert may_grant(root, "administrator", 2)
    assert may_grant(root, "shift_lead", None)
    assert not may_grant(root, "emperor", 1)
    for role in set(ROLES) - {"administrator"}:
        assert not may_grant(actor((INSTALLATION, role)), "auditor", 1)


def test_nobody_raises_their_own_role() -> None:
    assert raises_himself(actor((1, "administrator"), person=7), 7)
    assert not raises_himself(actor((1, "administrator"), person=7), 8)
    assert not raises_himself(Actor("console:local", frozenset(), ()), 7)


def test_a_link_is_made_only_by_who_administers_everything_that_it_leads_to() -> None:
    mayor = actor((1, "administrator"))
    assert may_let_in(mayor, [Grant("operator", 1)], 0)
    assert not may_let_in(mayor, [Grant("operator", 1), Grant("operator", 2)], 1)
    assert not may_let_in(mayor, [Grant("operator", 1), Grant("shift_lead", None, 5)], 1)
    assert may_let_in(mayor, [], 1)
    assert not may_let_in(mayor, [], 2)


@pytest.mark.parametrize(("age_s", "fresh"), [(-1, False), (0, True), (299, True), (300, False)])
def test_a_step_up_lasts_five_minutes(age_s: int, fresh: bool) -> None:
    stepped = replace(actor((1, "operator")), stepped_up_at=MONDAY_NOON)
    assert stepped_up(stepped, MONDAY_NOON + timedelta(seconds=age_s)) == fresh
    assert not stepped_up(actor((1, "operator")), MONDAY_NOON)


# The table in the documentation -------------------------------------------------------------------------------


def matrix() -> str:
    """The table of docs/people.md, out of PERMISSIONS."""
    lines = ["| permission | " + " | ".join(ROLES) + " |", "|---" * (len(ROLES) + 1) + "|"]
    lines += [
        f"| `{name}` | " + " | ".join("yes" if role in roles else "" for role in ROLES) + " |"
        for name, roles in PERMISSIONS.items()
    ]
    return "\n".join(lines)


def test_the_documentation_prints_the_permissions_as_they_are() -> None:
    found = re.search(r"<!-- permissions -->\n(.*?)\n<!-- end -->", DOCS.read_text(), re.DOTALL)
    assert found is not None, "docs/people.md has lost its table"
    assert found[1] == matrix(), f"print it again:\n{matrix()}"


def test_every_permission_is_somebodys_and_every_role_may_something() -> None:
    assert all(PERMISSIONS.values())
    assert all(any(role in roles for roles in PERMISSIONS.values()) for role in ROLES)
    assert all(roles <= set(ROLES) for roles in PERMISSIONS.values())
