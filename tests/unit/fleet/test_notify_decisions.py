"""Who is told what, when: nothing twice, nobody woken for what can wait, and what cannot wait reaches somebody."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.notify.decide import again_after, hint, is_quiet, reach, to_send
from fleet.notify.model import ESCALATES, TOPICS, Item, Reach, Sent, Subscriber
from fleet.notify.texts import Line, text_of
from fleet.people.model import Grant, Plan, Served
from fleet.routines.model import Window

HERE = ZoneInfo("Europe/Stockholm")
MONDAY = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
TICK = timedelta(seconds=5)


def subscriber(
    person: int = 1,
    *,
    group_s: int = 3600,
    quiet: tuple[int, int] = (17 * 60, 7 * 60),
    weekend: bool = True,
    wake: bool = False,
) -> Subscriber:
    return Subscriber(person, frozenset(TOPICS), timedelta(seconds=group_s), *quiet, weekend, wake, HERE)


def item(number: int, person: int = 1, topic: str = "battery", at: datetime = MONDAY, subject: str = "") -> Item:
    return Item(number, person, topic, subject or f"task:{number}", at)


def numbers(found: list[tuple[Subscriber, tuple[Item, ...]]]) -> list[tuple[int, list[int]]]:
    return [(who.person, [one.number for one in items]) for who, items in found]


def test_quiet_hours_go_over_midnight_by_the_persons_own_clocks() -> None:
    who = subscriber()
    assert [is_quiet(who, MONDAY + timedelta(hours=h)) for h in (0, 4, 5, 6, 18, 19, 20)] == [
        False, False, True, True, True, False, False,
    ]  # fmt: skip
    assert is_quiet(who, datetime(2026, 11, 21, 12, 0, tzinfo=UTC)), "a Saturday"
    assert not is_quiet(subscriber(quiet=(0, 0), weekend=False), NIGHT)


def test_what_comes_together_goes_together_and_not_before_its_like() -> None:
    who = {1: subscriber()}
    waiting = [item(1), item(2, at=MONDAY + timedelta(seconds=30))]
    assert to_send(who, waiting, [], MONDAY + timedelta(seconds=59)) == []
    assert numbers(to_send(who, waiting, [], MONDAY + timedelta(seconds=60))) == [(1, [1, 2])]
    sent = [Sent(1, MONDAY - timedelta(minutes=30), None)]
    assert to_send(who, waiting, sent, MONDAY + timedelta(minutes=29)) == []
    assert numbers(to_send(who, waiting, sent, MONDAY + timedelta(minutes=30))) == [(1, [1, 2])]


def test_what_cannot_wait_goes_at_once_and_takes_the_rest_with_it_by_day_only() -> None:
    who = {1: subscriber(wake=True)}
    day = [item(1), item(2, topic="incident", subject="incident:7")]
    sent = [Sent(1, MONDAY - timedelta(minutes=1), None)]
    assert numbers(to_send(who, day, sent, MONDAY + TICK)) == [(1, [1, 2])]
    night = [item(1, at=NIGHT), item(2, topic="incident", at=NIGHT, subject="incident:7")]
    assert numbers(to_send(who, night, [], NIGHT + timedelta(minutes=5))) == [(1, [2])]


def test_at_night_who_may_be_woken_is_told_and_where_there_is_none_everybody_is() -> None:
    both = {1: subscriber(1), 2: subscriber(2, wake=True)}
    waiting = [item(n, n, "silent", NIGHT, "task:9") for n in (1, 2)]
    assert numbers(to_send(both, waiting, [], NIGHT + TICK)) == [(2, [2])]
    nobody = {1: subscriber(1), 2: subscriber(2)}
    assert numbers(to_send(nobody, waiting, [], NIGHT + TICK)) == [(1, [1]), (2, [2])]


def test_a_message_that_is_not_delivered_reaches_nobody() -> None:
    both = {1: subscriber(1), 2: subscriber(2, wake=True)}
    waiting = [item(1, 1, "silent", NIGHT, "task:9")]
    sent = [Sent(2, NIGHT + TICK, None, frozenset({"task:9"}))]
    assert to_send(both, waiting, sent, NIGHT + ESCALATES) == []
    assert numbers(to_send(both, waiting, sent, NIGHT + ESCALATES + TICK)) == [(1, [1])]
    delivered = [Sent(2, NIGHT + TICK, NIGHT + TICK, frozenset({"task:9"}))]
    assert to_send(both, waiting, delivered, NIGHT + timedelta(hours=3)) == []


@dataclass
class Told:
    """What a run of the decision has sent."""

    messages: list[tuple[datetime, int, tuple[Item, ...]]] = field(default_factory=list)


PEOPLE = st.lists(
    st.tuples(
        st.sampled_from([0, 600, 7200]), st.integers(0, 1439), st.integers(0, 1439), st.booleans(), st.booleans(),
    ),
    min_size=1, max_size=3,
)  # fmt: skip
EVENTS = st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(0, 2 * 24 * 60)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(PEOPLE, EVENTS, st.randoms(use_true_random=False))
def test_each_is_told_each_thing_once_and_what_cannot_wait_reaches_somebody_at_once(
    people: list[tuple[int, int, int, bool, bool]], events: list[tuple[str, int]], chance: object
) -> None:
    who = {
        n: subscriber(n, group_s=group, quiet=(start, end), weekend=weekend, wake=wake)
        for n, (group, start, end, weekend, wake) in enumerate(people, 1)
    }
    items = [
        Item(100 * place + n, n, topic, f"task:{place}", MONDAY + timedelta(minutes=minute))
        for place, (topic, minute) in enumerate(events, 1)
        for n in who
    ]
    sent: list[Sent] = []
    told = Told()
    # Every moment at which something can change: events, their settling, quarters of an hour for a week.
    moments = {MONDAY + timedelta(minutes=15 * n) for n in range(7 * 24 * 4)}
    moments |= {one.at + after for one in items for after in (TICK, timedelta(seconds=65))}
    left = list(items)
    for at in sorted(moments):
        waiting = [one for one in left if one.at <= at]
        before = list(sent)
        for person, going in to_send(who, waiting, before, at):
            told.messages.append((at, person.person, going))
            delivered = at if chance.random() < 0.7 else None  # type: ignore[attr-defined]
            sent.append(Sent(person.person, at, delivered, frozenset(one.subject for one in going)))
            left = [one for one in left if one not in going]
            if is_quiet(person, at):
                assert all(one.cannot_wait for one in going), "nobody is woken for what can wait"
    always = {
        n for n, one in who.items() if all(is_quiet(one, MONDAY + timedelta(minutes=15 * k)) for k in range(7 * 96))
    }
    seen = [one.number for _, _, going in told.messages for one in going]
    assert len(seen) == len(set(seen)), "nothing twice"
    assert {one.number for one in items if one.person not in always} <= set(seen), "nothing never"
    for n, person in who.items():
        plain = [at for at, whom, going in told.messages if whom == n and not any(one.cannot_wait for one in going)]
        times = [at for at, whom, _ in told.messages if whom == n]
        for at in plain:
            earlier = [other for other in times if other < at]
            assert not earlier or at - max(earlier) >= person.group, "grouped"
    for place, (topic, minute) in enumerate(events, 1):
        if topic in ("incident", "silent", "network_closed"):
            began = MONDAY + timedelta(minutes=minute)
            first = min(at for at, _, going in told.messages for one in going if one.subject == f"task:{place}")
            assert first <= began + TICK, "what cannot wait reaches somebody at once"


def test_a_centre_s_people_reach_whom_it_serves_and_wait_for_its_hours() -> None:
    """Centre 7 has municipality 1 at night and 2 always; 3 has left it; operators are told nothing."""

    def served(place: int, centre: int, since: datetime, window: Window | None = None) -> Served:
        return Served(place, "alarm_reception", centre, "any", window or Window(), "Europe/Stockholm", since)

    long_ago = MONDAY - timedelta(days=30)
    night, day = Window(0, 6 * 60), Window(6 * 60, 10080)
    plan = Plan(
        (1, 2, 3),
        (served(1, 7, long_ago, night), served(1, 8, long_ago, day), served(2, 7, long_ago),
         served(3, 7, long_ago), served(3, 8, long_ago + timedelta(days=1))),
    )  # fmt: skip
    grants = {
        1: [Grant("technician", centre=7), Grant("operator", municipality=3)],
        2: [Grant("operator", centre=7)],
        3: [Grant("fleet_owner", municipality=0), Grant("technician", centre=7)],
    }
    assert reach(grants, plan, MONDAY) == [
        Reach(1, 1, False), Reach(1, 2, True), *(Reach(3, place, True) for place in (0, 1, 2, 3)),
    ]  # fmt: skip
    before_six = MONDAY.replace(hour=1)
    assert [one.now for one in reach(grants, plan, before_six) if one.person == 1] == [True, True]


def test_pauses_grow_and_a_hint_gives_no_address_away() -> None:
    assert [again_after(n).total_seconds() for n in (0, 1, 4, 99)] == [5, 5, 60, 900]
    assert hint("anna.andersson@kommun.example") == "a…@kommun.example" and hint("+46701234567") == "…67"


def test_a_message_is_short_and_names_units_only() -> None:
    lines = [Line("silent", "Kristianstad", n) for n in range(1, 13)] + [Line("incident", "Osby", 7)]
    said = text_of(lines, "sv")
    assert said.splitlines()[1] == "Störning: 7" and "00000008 och 4 till" in said and len(said) < 200
    assert text_of(lines, "en").startswith("Livlina: to be seen to")
