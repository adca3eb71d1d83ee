"""The month report against the same month reckoned by hand, the incident report against what was done."""

from __future__ import annotations

import random
import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleet.evidence.case_report import case_report, held_by
from fleet.evidence.month import Prices, ReportError, month_csv, month_report
from fleet.evidence.report_pdf import case_pdf, month_pdf
from tests.database import FreshDatabase
from tests.evidence_house import EvidenceHouse, as_owner, evidence_house
from tests.fleet_server import run

# November by Stockholm's clocks begins at 23:00 UTC.
FIRST = datetime(2026, 10, 31, 23, tzinfo=UTC)
NEXT = datetime(2026, 11, 30, 23, tzinfo=UTC)


async def a_month(house: EvidenceHouse, dice: random.Random) -> list[dict[str, Any]]:
    """Alarms of known delays, inside and just outside the month; what was done comes back."""
    done = []
    moments = [FIRST - timedelta(seconds=1), FIRST, NEXT - timedelta(seconds=1), NEXT]
    moments += [FIRST + timedelta(seconds=dice.randrange(29 * 86400)) for _ in range(36)]
    async with as_owner(house) as owner:
        await owner.execute("SET session_replication_role = 'replica'")
        for number, received in enumerate(sorted(moments), 1):
            unit = number % 8 + 1 if number % 7 else 11
            late = dice.choice([0, 0, 0, 3, 90, 4000])
            centre = dice.choice([0.5, 2.0, 30.0, 60.0, 61.0, 200.0, None])
            person = dice.choice([10.0, 59.0, 60.0, 120.0, 180.0, 400.0, None])
            test = number % 9 == 0
            row = {
                "case": number, "unit": unit, "place": 1 if unit < 10 else 2, "received": received,
                "pressed": received - timedelta(seconds=late),
                "accepted": None if centre is None else received + timedelta(seconds=centre),
                "taken": None if person is None else received + timedelta(seconds=person), "test": test,
                "outcome": "helped" if person is not None and number % 2 else None,
            }  # fmt: skip
            done.append(row)
            await owner.execute(
                "INSERT INTO cases (case_id, municipality_id, unit_id, unit_type, state, priority, kind, presses, "
                "opened_at, last_press_at, taken_at, taken_by, closed_at, outcome, test) OVERRIDING SYSTEM VALUE "
                "VALUES (%(case)s, %(place)s, %(unit)s, 'social', 'closed', 2, 1, 1, %(received)s, %(received)s, "
                "coalesce(%(taken)s, %(received)s), 'x', %(received)s, %(outcome)s, %(test)s)",
                row,
            )
            await owner.execute(
                "INSERT INTO presses (unit_id, boot, seq, municipality_id, case_id, received_at, pressed_at, "
                "transport, generation, counter, kind, raw, accepted_at, taken_at) VALUES (%(unit)s, 1, %(case)s, "
                "%(place)s, %(case)s, %(received)s, %(pressed)s, 'coap', 1, 1, 1, '', %(accepted)s, %(taken)s)",
                row,
            )
            if test:
                await owner.execute(
                    "INSERT INTO button_proofs (unit_id, boot, seq, municipality_id, input, at, centre_id) "
                    "VALUES (%(unit)s, 1, %(case)s, %(place)s, 0, %(received)s, 1)",
                    row,
                )
        await owner.execute("UPDATE units SET life = 'active', grounds = 'import:test'")
        await owner.commit()
    return done


async def beats(house: EvidenceHouse) -> float:
    """Heartbeats of two units, one of which is away twice; returns the seconds that it was away beyond the grace."""
    rows = []
    for unit in (1, 2):
        at = FIRST + timedelta(hours=1)
        for number in range(200):
            away = 7200 if unit == 2 and number in (50, 120) else 0
            rows.append((at.date(), unit, 1, number, 1, at, 300, "coap"))
            at += timedelta(seconds=300 + away)
    async with as_owner(house) as owner, owner.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO readings (day, unit_id, boot, seq, municipality_id, received_at, next_due_s, transport) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            rows,
        )
        await owner.commit()
    return 2 * (7200 - 30)


def by_hand(delays: list[float | None]) -> tuple[int, int, int, int, float, float]:
    """presses, answered, within 60 s, within 180 s, median and longest, the plain way."""
    known = sorted(delay for delay in delays if delay is not None)
    median = statistics.median_low(known)
    return len(delays), len(known), sum(d <= 60 for d in known), sum(d <= 180 for d in known), median, known[-1]


def test_the_month_is_what_is_reckoned_by_hand(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            done = await a_month(house, random.Random(5))
            away = await beats(house)
            async with house.pools["evidence"].connection() as connection:
                prices = Prices(unit_a_month=427, alarm_each=25)
                report = await month_report(connection, 1, "2026-11", NEXT, prices=prices)
            mine = [r for r in done if r["place"] == 1 and FIRST <= r["received"] < NEXT and not r["test"]]
            assert 20 < len(mine) < len(done) - 3
            assert report["complete"] and report["alarms"]["cases"] == report["alarms"]["presses"] == len(mine)
            ways = {
                "centre": [
                    None if r["accepted"] is None else (r["accepted"] - r["received"]).total_seconds() for r in mine
                ],
                "person": [None if r["taken"] is None else (r["taken"] - r["pressed"]).total_seconds() for r in mine],
            }
            for way, delays in ways.items():
                found = report["response"][way]
                presses, answered, first, second, median, longest = by_hand(delays)
                assert (found["presses"], found["answered"]) == (presses, answered)
                assert (found["within_60_s"], found["within_180_s"]) == (first, second)
                assert found["median_s"] == pytest.approx(median) and found["longest_s"] == pytest.approx(longest)
                assert found["within_60_s_percent"] == round(100 * first / presses, 2)
                assert found["reaches_97_5_percent_in_60_s"] == (first / presses >= 0.975)
            late = [r for r in mine if (r["received"] - r["pressed"]).total_seconds() > 60]
            assert report["late"]["presses"] == len(late) > 0 and report["late"]["longest_s"] == 4000
            tests = [r for r in done if r["place"] == 1 and r["test"] and FIRST <= r["received"] < NEXT]
            assert report["tests"]["tests"] == len(tests) > 0
            assert report["tests"]["buttons"] == len({r["unit"] for r in tests})
            judged = 199 * 300 + 199 * 300 + 2 * 7200
            assert report["availability"]["away_s"] == away and report["availability"]["judged_s"] == judged
            assert report["availability"]["percent"] == round(100 * (1 - away / judged), 3)
            assert report["costs"] == {
                "units": 9 * 427,
                "alarms": len(mine) * 25,
                "sum": 9 * 427 + len(mine) * 25,
                "currency": "SEK",
            }
            lines = month_csv(report).splitlines()
            assert f"response,person.answered,{report['response']['person']['answered']}" in lines
            for language in ("sv", "en"):
                pdf = month_pdf(report, language)
                assert pdf.startswith(b"%PDF-") and pdf == month_pdf(report, language), (
                    "the same report, the same octets"
                )
            async with house.pools["evidence"].connection() as connection:
                other = await month_report(connection, 2, "2026-11", FIRST)
                assert not other["complete"] and other["alarms"]["cases"] < report["alarms"]["cases"]
                empty = await month_report(connection, 1, "2025-01", NEXT)
                assert empty["alarms"]["cases"] == 0 and empty["response"] == {} and month_pdf(empty, "sv")
                with pytest.raises(LookupError):
                    await month_report(connection, 77, "2026-11", NEXT)
                for wrong in ("2026-13", "november", "2026-1", "2026-11-01"):
                    with pytest.raises(ReportError):
                        await month_report(connection, 1, wrong, NEXT)

    run(work())


def test_a_case_says_who_had_the_alarm_when(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            case = await house.alarm(1, 5)
            await house.chain()
            await house.sign()
            async with house.pools["evidence"].connection() as connection:
                report = await case_report(connection, case, house.at)
                assert [part["who"] for part in report["held"]] == ["fleet", "operator 7"]
                assert report["held"][-1]["until"] is not None and report["chained"]
                assert report["head"]["position"] >= max(event["position"] for event in report["events"])
                assert case_pdf(report, "sv") != case_pdf(report, "en")
                with pytest.raises(LookupError):
                    await case_report(connection, 999_999, house.at)

    run(work())


def test_who_had_it_through_failover_and_a_second_press() -> None:
    def event(second: int, what: str, who: str, **detail: object) -> dict[str, Any]:
        return {"at": f"2026-11-01T10:00:{second:02d}Z", "what": what, "who": who, "detail": detail}

    held = held_by([
        event(0, "case.opened", "unit 0000002a"), event(1, "case.accepted", "centre North"),
        event(2, "case.moved", "forwarding", **{"from": "North", "to": "South"}),
        event(3, "case.accepted", "centre South"), event(4, "case.taken", "anna"),
        event(5, "case.repeated", "unit 0000002a"), event(6, "case.taken", "bo"), event(7, "case.closed", "bo"),
    ])  # fmt: skip
    assert [(part["who"], part["since"][-3:-1], (part["until"] or "")[-3:-1]) for part in held] == [
        ("fleet", "00", "01"), ("centre North", "01", "02"), ("centre South", "02", "04"), ("anna", "04", "05"),
        ("centre South", "05", "06"), ("bo", "06", "07"),
    ]  # fmt: skip
