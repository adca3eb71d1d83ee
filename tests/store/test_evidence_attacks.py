"""Random edits, deletions, truncations and forgeries by whoever owns the database: all are found, at their place."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from fleet.evidence.verify import Verdict, examine
from fleet.store.pool import fetch_all
from tests.database import FreshDatabase
from tests.evidence_attacks import ATTACKS, Damage, describe, forge, rebuild
from tests.evidence_attacks import entries as chain_of
from tests.evidence_house import EvidenceHouse, as_owner, evidence_house
from tests.fleet_server import run


def fits(damage: Damage, verdict: Verdict) -> bool:
    """Whether one of the findings names the place of the damage."""
    if damage.position is None and damage.place is None:
        return bool(verdict.findings)
    for finding in verdict.findings:
        if damage.place is not None and (
            (finding.source, finding.key) == damage.place or damage.place[1] in finding.sentence
        ):
            return True
        if damage.position is not None and finding.position is not None and finding.position <= damage.position:
            return True
        # A chain that was built anew and is shorter now: what still agrees with a head ends before the damage.
        if damage.position is not None and finding.kind == "truncated" and verdict.trusted_to < damage.position:
            return True
    return False


async def attack(house: EvidenceHouse, count: int, seed: int) -> Counter[str]:
    """So many attacks, each on the untouched database and undone afterwards; returns what was found, by attack."""
    dice = random.Random(seed)
    found: Counter[str] = Counter()
    async with as_owner(house) as owner:
        await owner.execute("SET session_replication_role = 'replica'")
        await owner.commit()
        for number in range(count):
            chosen = ATTACKS[number % len(ATTACKS)]
            damage = await chosen(owner, dice)
            verdict = await examine(owner, house.keys, house.elsewhere())
            await owner.rollback()
            assert not verdict.ok, f"attack {number} (seed {seed}) was not found: {damage.what}"
            assert fits(damage, verdict), f"seed {seed}: {describe(damage, verdict.document())}"
            found[chosen.__name__] += 1
        assert (await examine(owner, house.keys, house.elsewhere())).ok, "the untouched database is sound"
    return found


def test_attacks_are_found(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            await house.past(7)
            found = await attack(house, 90, seed=1)
            assert set(found.values()) == {10}

    run(work())


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_a_thousand_attacks_are_found(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            await house.past(12)
            found = await attack(house, 1000, seed=2)
            print(f"1,000 attacks, all found: {dict(sorted(found.items()))}")
            assert found.total() == 1000

    run(work(), seconds=1700)


def test_controls_without_the_chain_or_without_heads_elsewhere(database: FreshDatabase, tmp_path: Path) -> None:
    """A chain alone does not find what was built anew: the heads do, and of a forger who takes those too, the file."""

    async def work() -> None:
        async with evidence_house(database, tmp_path) as house:
            await house.past(4)
            async with as_owner(house) as owner:
                await owner.execute("SET session_replication_role = 'replica'")
                await owner.commit()
                dice = random.Random(3)
                missed = 0
                for _ in range(12):
                    await forge(owner, dice)
                    await owner.execute("DELETE FROM audit_heads")
                    alone = await examine(owner, house.keys)
                    missed += alone.ok
                    assert not (await examine(owner, house.keys, house.elsewhere())).ok
                    await owner.rollback()
                assert missed >= 6, "without heads elsewhere a forged chain looks sound: that is why they are kept"
                # An honest rebuild changes nothing: hashes are a function of the rows.
                await rebuild(owner, await chain_of(owner))
                assert (await examine(owner, house.keys, house.elsewhere())).ok
                await owner.rollback()
                rows = await fetch_all(owner, "SELECT count(*) AS heads FROM audit_heads")
                assert rows[0]["heads"] == len(house.elsewhere()) > 1

    run(work())
