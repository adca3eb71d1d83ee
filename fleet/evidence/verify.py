"""Whether the record is still the one that was written: every link, every row it stands for, every signed head.

It only reads, in one snapshot, and names the place of whatever does not fit. What it cannot see: changes of the entries
behind the newest head that it is shown (``unsigned``), which is at most a minute's worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fleet.evidence.chainer import SQL
from fleet.evidence.decide import link
from fleet.evidence.model import GENESIS, Entry, Finding, Head, Pruning
from fleet.evidence.signing import PublicKeys, genuine_head, genuine_pruning
from fleet.evidence.sources import SQL as SOURCES
from fleet.evidence.sources import Item, read_items
from fleet.store.pool import Connection, fetch_all

CHUNK = 5000
MOST_FINDINGS = 200
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Verdict:
    """What was looked at, and what does not fit. Up to ``trusted_to`` the chain agrees with a signed head; ``unsigned``
    entries stand behind the newest one."""

    entries: int = 0
    first: int | None = None
    last: int | None = None
    heads: int = 0
    signed_to: int = 0
    trusted_to: int = 0
    unsigned: int = 0
    pruned: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    more_findings: int = 0

    @property
    def ok(self) -> bool:
        """Nothing was found."""
        return not self.findings

    def add(self, kind: str, sentence: str, entry: Entry | None = None, position: int | None = None) -> None:
        """Notes a finding; beyond MOST_FINDINGS they are only counted."""
        if len(self.findings) >= MOST_FINDINGS:
            self.more_findings += 1
            return
        place = position if entry is None else entry.position
        source, key = (None, None) if entry is None else (entry.source, entry.key)
        self.findings.append(Finding(kind, place, source, key, sentence))

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "ok": self.ok,
            "entries": self.entries,
            "first": self.first,
            "last": self.last,
            "heads": self.heads,
            "signed_to": self.signed_to,
            "trusted_to": self.trusted_to,
            "unsigned": self.unsigned,
            "pruned": self.pruned,
            "findings": [
                {"kind": f.kind, "position": f.position, "source": f.source, "key": f.key, "sentence": f.sentence}
                for f in self.findings
            ],
            "more_findings": self.more_findings,
        }


async def verify(connection: Connection, keys: PublicKeys, elsewhere: Sequence[Head] = ()) -> Verdict:
    """Reads the whole chain, in a transaction of its own. ``elsewhere``: heads kept outside the database."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await connection.execute("SET LOCAL statement_timeout = 0")
        return await examine(connection, keys, elsewhere)


async def examine(connection: Connection, keys: PublicKeys, elsewhere: Sequence[Head] = ()) -> Verdict:
    """As ``verify``, in the caller's transaction, whose snapshot should be one."""
    verdict = Verdict()
    cut = await _prunings(connection, keys, verdict)
    heads = await _heads(connection, keys, elsewhere, verdict)
    oldest = await _walk(connection, cut, heads, verdict)
    since = _BEGINNING if cut is None else oldest
    if since is not None:
        for row in await fetch_all(connection, SOURCES["unchained"], {"since": since, "most": MOST_FINDINGS}):
            verdict.add("unchained", f"{row['source']} {row['key']} is in the database and not in the chain")
    return verdict


async def _prunings(connection: Connection, keys: PublicKeys, verdict: Verdict) -> Pruning | None:
    """Notes how far each source may be missing; returns where the chain itself was cut."""
    cut = None
    for row in await fetch_all(connection, SQL["prunings"]):
        pruning = Pruning(**{**row, "hash": bytes(row["hash"]), "signature": bytes(row["signature"])})
        if not genuine_pruning(pruning, keys):
            sentence = (
                f"the pruning of {pruning.source} up to {pruning.position} is not signed by a key that is trusted"
            )
            verdict.add("pruning_forged", sentence, position=pruning.position)
            continue
        verdict.pruned[pruning.source] = max(pruning.position, verdict.pruned.get(pruning.source, 0))
        if pruning.source == "chain" and (cut is None or pruning.position > cut.position):
            cut = pruning
    return cut


async def _heads(
    connection: Connection, keys: PublicKeys, elsewhere: Sequence[Head], verdict: Verdict
) -> dict[int, list[Head]]:
    """The genuine heads by position, of the database and of elsewhere."""
    inside = [
        Head(row["position"], bytes(row["hash"]), row["at"], row["key_id"], bytes(row["signature"]))
        for row in await fetch_all(connection, SQL["heads"])
    ]
    found: dict[int, list[Head]] = {}
    for where, heads in (("the database", inside), ("the heads file", elsewhere)):
        for head in heads:
            if not genuine_head(head, keys):
                sentence = f"a head at {head.position} in {where} is not signed by a key that is trusted"
                verdict.add("head_forged", sentence, position=head.position)
                continue
            found.setdefault(head.position, []).append(head)
    kept = {head.position for head in inside}
    for head in elsewhere:
        if head.position not in kept and head.position in found:
            sentence = f"the signed head at {head.position} is gone from the database"
            verdict.add("head_deleted", sentence, position=head.position)
    verdict.heads = len(found)
    verdict.signed_to = max(found, default=0)
    return found


async def _walk(
    connection: Connection, cut: Pruning | None, heads: dict[int, list[Head]], verdict: Verdict
) -> datetime | None:
    """Every link in order; returns when the first one was made."""
    position, before = (0, GENESIS) if cut is None else (cut.position, cut.hash)
    start = position
    agreed = position
    agreed = _against_heads(position, before, agreed, heads, verdict)
    oldest = None
    while True:
        rows = await fetch_all(connection, SQL["chain_after"], {"position": position, "most": CHUNK})
        if not rows:
            break
        entries = [_entry(row) for row in rows]
        oldest = oldest or entries[0].chained_at
        items = await read_items(connection, [(entry.source, entry.key) for entry in entries])
        for entry in entries:
            if entry.position != position + 1:
                missing = entry.position - position - 1
                sentence = f"{missing} entries are gone: positions {position + 1} to {entry.position - 1}"
                verdict.add("deleted", sentence, position=position + 1)
            elif link(before, entry) != entry.hash:
                verdict.add("edited", f"entry {entry.position} ({entry.source} {entry.key}) was changed", entry)
            _against_source(entry, items.get((entry.source, entry.key)), verdict)
            position, before = entry.position, entry.hash
            agreed = _against_heads(position, before, agreed, heads, verdict)
        verdict.entries += len(entries)
        verdict.first = verdict.first or entries[0].position
    verdict.last = position if verdict.entries else None
    verdict.trusted_to = agreed
    beyond = [head for head in heads if head > position]
    if beyond:
        signed = max(beyond)
        sentence = (
            f"the chain ends at {position}, but {signed} was signed: its end is gone, or an old copy was restored"
        )
        verdict.add("truncated", sentence, position=position + 1)
    verdict.unsigned = max(0, position - max(verdict.signed_to, start))
    return oldest


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(**{**row, "digest": bytes(row["digest"]), "hash": bytes(row["hash"])})


def _against_heads(position: int, hash_: bytes, agreed: int, heads: dict[int, list[Head]], verdict: Verdict) -> int:
    """Compares with what was signed for this position; returns the newest position that agrees."""
    signed = heads.get(position)
    if not signed:
        return agreed
    if all(head.hash == hash_ for head in signed):
        return position
    sentence = f"the chain was made anew: what was signed for {position} is another hash; {agreed} still agrees"
    verdict.add("rechained", sentence, position=agreed + 1)
    return agreed


def _against_source(entry: Entry, item: Item | None, verdict: Verdict) -> None:
    name = f"{entry.source} {entry.key}"
    if item is None:
        if entry.position > verdict.pruned.get(entry.source, 0):
            verdict.add("deleted", f"the row of {name} is gone, entry {entry.position} stands for it", entry)
        return
    if item.digest != entry.digest:
        verdict.add("edited", f"the row of {name} was changed after it was chained at {entry.position}", entry)
    elif (item.municipality, item.at) != (entry.municipality, entry.at):
        verdict.add("edited", f"entry {entry.position} gives {name} another time or municipality", entry)
