"""The chain over a real PostgreSQL: what comes into it, in which order, who may not touch it, what pruning leaves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from fleet.evidence.audit import record
from fleet.evidence.chainer import chain_once
from fleet.evidence.decide import RecordError
from fleet.evidence.prune import prune
from fleet.evidence.retention import Retention
from fleet.evidence.signing import SigningKey, SigningKeyError
from fleet.evidence.verify import verify
from fleet.store.pool import fetch_all, tenant_transaction
from tests.database import FreshDatabase
from tests.evidence_house import EvidenceHouse, as_owner, evidence_house
from tests.fleet_server import run


async def chained(house: EvidenceHouse) -> list[tuple[str, str]]:
    async with house.pools["evidence"].connection() as connection:
        rows = await fetch_all(connection, "SELECT source, key FROM audit_chain ORDER BY position")
    return [(row["source"], row["key"]) for row in rows]


async def verdict(house: EvidenceHouse, *, with_file: bool = True) -> list[str]:
    async with house.pools["evidence"].connection() as connection:
        found = await verify(connection, house.keys, house.elsewhere() if with_file else ())
    return [finding.kind for finding in found.findings]


def test_every_action_and_receipt_of_an_alarm_is_in_the_chain(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            case = await house.alarm(1, 7)
            await house.act(9)
            await house.event(1, 8)
            assert await house.chain() > 0
            found = await chained(house)
            async with house.pools["evidence"].connection() as connection:
                log = await fetch_all(connection, "SELECT position, change FROM case_log ORDER BY position")
            assert [row["change"] for row in log] == ["opened", "taken", "closed"]
            assert found[0] == ("press", "1/1/7"), "what a unit said comes before what was made of it"
            assert [key for source, key in found if source == "case_log"] == [str(row["position"]) for row in log]
            assert {("receipt", "1/1/7/2"), ("receipt", "1/1/7/3"), ("unit_event", "1/1/8"), ("audit", "1")} < {*found}
            assert [source for source, _ in found].count("delivery") == 1
            assert await house.chain() == 0, "nothing comes in twice"
            await house.sign()
            assert await verdict(house) == []
            assert case

    run(work())


def test_what_is_not_committed_is_not_chained_and_what_commits_later_comes_later(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            values = {"actor": "person:1", "action": "unit.assigned", "municipality_id": 1, "detail": {}}
            async with tenant_transaction(house.pools["web"], [1]) as slow:
                await record(slow, subject="unit:1", at=house.later(), **values)
                await house.act(2)
                assert await house.chain() == 1
            assert await house.chain() == 1
            assert await chained(house) == [("audit", "2"), ("audit", "1")]
            with pytest.raises(ZeroDivisionError):
                async with tenant_transaction(house.pools["web"], [1]) as doomed:
                    await record(doomed, subject="unit:3", at=house.later(), **values)
                    raise ZeroDivisionError
            assert await house.chain() == 0, "an action that was rolled back has no record"

    run(work())


def test_two_chainers_at_once_make_one_chain(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            for number in range(40):
                await house.act(number)

            async def chainer() -> int:
                total = 0
                async with house.pools["evidence"].connection() as connection:
                    for _ in range(30):
                        total += await chain_once(connection, house.at, most=3)
                return total

            both = await asyncio.gather(chainer(), chainer())
            assert sum(both) + await house.chain() == 40
            await house.sign()
            assert await verdict(house) == []

    run(work())


def test_records_hold_no_personal_data(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house, tenant_transaction(house.pools["web"], [1]) as web:
            for detail in ({"who": "Astrid Exempel"}, {"to": "a@example.org"}, {"phone": "+46701234567"}, {"x": 1.5}):
                with pytest.raises(RecordError):
                    await record(
                        web, actor="person:1", action="recipient.opened", municipality_id=1, subject="recipient:9",
                        detail=detail, at=house.at,
                    )  # fmt: skip
            await record(
                web, actor="person:1", action="recipient.opened", municipality_id=1, subject="recipient:9",
                detail={"case": 5, "fields": ["name", "address"], "until": house.at}, at=house.at,
            )  # fmt: skip

    run(work())


TABLES = ("audit_records", "audit_chain", "audit_heads", "audit_prunings", "case_log", "unit_events")


def test_no_duty_may_change_or_delete_and_the_owner_is_refused_too(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            await house.past(3)
            with psycopg.connect(database.owner_url, autocommit=True) as owner:
                duties = owner.execute(
                    "SELECT rolname FROM pg_roles WHERE rolname LIKE 'livlina\\_%' AND NOT rolcanlogin"
                ).fetchall()
                assert len(duties) >= 6
                for table in TABLES:
                    for (duty,) in duties:
                        for right in ("UPDATE", "DELETE", "TRUNCATE"):
                            row = owner.execute(
                                "SELECT has_table_privilege(%s, %s, %s)", [duty, table, right]
                            ).fetchone()
                            assert row == (False,), f"{duty} has {right} on {table}"
                    if table != "audit_prunings":
                        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET municipality_id = 9"):
                            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                                owner.execute(statement)  # type: ignore[call-overload]
                    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                        owner.execute(f"TRUNCATE {table}")  # type: ignore[call-overload]
                for statement in ("DELETE FROM presses", "UPDATE presses SET raw = ''"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                        owner.execute(statement)  # type: ignore[call-overload]
                # Control: without the trigger the owner's statement goes through, so it is the trigger that refuses.
                owner.execute("ALTER TABLE audit_heads DISABLE TRIGGER append_only")
                owner.execute("DELETE FROM audit_heads")

    run(work())


def test_pruning_by_rule_leaves_a_chain_that_verifies(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            await house.past(6)
            open_case = await house.alarm(9, 99, close=False)
            house.at += timedelta(days=400)
            await house.past(3)
            before = await chained(house)
            rules = Retention(audit=365, case_log=365, unit_event=365, readings=None, chain=None)
            gone = prune(database.owner_url, house.key, rules, house.at)
            assert gone["audit"] == 12 and gone["unit_event"] == 6 and gone["case_log"] == 18
            assert await chained(house) == before, "the links stay as stubs"
            assert await verdict(house) == []
            async with house.pools["evidence"].connection() as connection:
                left = await fetch_all(connection, "SELECT case_id FROM case_log WHERE case_id = %s", [open_case])
            assert left, "a case that is not closed keeps its log"
            # Whoever deletes more than the rule took is found, and whoever makes up a rule as well.
            async with as_owner(house) as owner:
                await owner.execute("SET session_replication_role = 'replica'")
                newest = await fetch_all(owner, "SELECT max(record_id) AS newest FROM audit_records")
                await owner.execute("DELETE FROM audit_records WHERE record_id = %s", [newest[0]["newest"]])
                await owner.commit()
            assert await verdict(house) == ["deleted"]
            async with as_owner(house) as owner:
                await owner.execute(
                    "INSERT INTO audit_prunings SELECT source, %s, 0, hash, at, key_id, signature FROM audit_prunings "
                    "WHERE source = 'audit'",
                    [10**6],
                )
                await owner.commit()
            assert sorted(await verdict(house)) == ["deleted", "pruning_forged"]

    run(work())


def test_the_beginning_of_the_chain_can_be_cut_and_the_rest_verifies(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            await house.past(6)
            house.at += timedelta(days=400)
            await house.past(3)
            total = len(await chained(house))
            rules = Retention(audit=365, case_log=365, unit_event=365, readings=None, chain=365)
            gone = prune(database.owner_url, house.key, rules, house.at)
            left = await chained(house)
            assert gone["chain"] > 20 and len(left) == total - gone["chain"]
            assert await verdict(house) == []
            await house.past(1)
            assert await verdict(house) == [], "the chain goes on behind the cut"
            again = prune(database.owner_url, house.key, rules, house.at)
            assert again["chain"] == again["audit"] == 0

    run(work())


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    SigningKey.open(tmp_path / "k.key", create=True)
    (tmp_path / "k.key").chmod(0o644)
    with pytest.raises(SigningKeyError, match="chmod 600"):
        SigningKey.open(tmp_path / "k.key")
