"""What a bench keeps and makes, without a board: plan, journal, numbers, ledger, partition table, images, labels."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning import labels, littlefs_image, nvs_image
from provisioning.ca import CertificateAuthority
from provisioning.journal import Journal, JournalError
from provisioning.ledger import Ledger, LedgerError, verified
from provisioning.partition_table import Partition, PartitionError, from_binary, layout, to_binary
from provisioning.plan import BoardKind, Order, PlanError, plan
from provisioning.station import Station

KIND = BoardKind("virtual", "esp32s3", 4 << 20, 0, True)
ORDER = Order("O-1", 12, 1, "social", False, 300, ("coap",), (("127.0.0.1", 5683),))
MAC = "02:00:00:00:00:07"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_only_a_production_board_is_closed_for_good() -> None:
    development = plan(ORDER, KIND)
    production = plan(dataclasses.replace(ORDER, production=True), KIND)
    assert not any(step.for_good for step in development)
    assert [step.name for step in production if step.for_good] == ["efuses"]
    names = [step.name for step in production]
    assert names.index("verify") < names.index("efuses") < names.index("start") < names.index("ledger")
    assert names[-1] == "ledger"


@pytest.mark.parametrize(
    "change",
    [{"number": "../x"}, {"quantity": 0}, {"profile": "toaster"}, {"municipality": 0}],
)
def test_an_order_that_cannot_be_made_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(PlanError):
        plan(dataclasses.replace(ORDER, **change), KIND)


def test_a_chip_that_cannot_be_closed_gets_no_production_order() -> None:
    with pytest.raises(PlanError, match="development"):
        plan(dataclasses.replace(ORDER, production=True), dataclasses.replace(KIND, secure_boot=False))


@settings(deadline=None)
@given(st.integers(0, 400))
def test_a_journal_cut_at_any_byte_holds_a_prefix(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("j") / "journal"
    whole = Journal(path)
    for step in ("connect", "identity", "flash"):
        whole.begin(step)
        whole.done(step, fact=step)
    whole.close()
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    again = Journal(path)
    lines = content[:cut].count(b"\n")
    states = [("connect", 0), ("identity", 2), ("flash", 4)]
    assert [again.has_begun(step) for step, at in states] == [lines > at for _, at in states]
    assert [again.is_done(step) for step, at in states] == [lines > at + 1 for _, at in states]
    again.done("after")
    again.close()
    last = Journal(path)
    assert last.is_done("after")
    last.close()


def test_a_journal_that_is_damaged_in_the_middle_is_not_believed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.begin("connect")
    journal.done("connect")
    journal.close()
    content = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(content[:12] + b"X" + content[13:])
    with pytest.raises(JournalError):
        Journal(tmp_path / "journal")


def test_a_number_is_never_given_twice(tmp_path: Path) -> None:
    station = Station(tmp_path / "s", CertificateAuthority.open(tmp_path / "ca"), first=100)
    first = station.identity(MAC)
    assert first.identity.unit == 100
    assert station.identity(MAC) == first
    assert station.identity("02:00:00:00:00:08").identity.unit == 101
    station.forget(MAC)
    station.close_number(100)
    assert station.unfinished() == ["02:00:00:00:00:08"]
    again = station.identity(MAC)
    assert again.identity.unit == 102
    assert again.identity.secret16 != first.identity.secret16


def test_secrets_of_a_board_under_work_are_the_owners_alone(tmp_path: Path) -> None:
    station = Station(tmp_path / "s", CertificateAuthority.open(tmp_path / "ca"))
    secret = station.identity(MAC).identity.secret16
    holders = [path for path in (tmp_path / "s").rglob("*") if path.is_file() and secret.hex() in path.read_text()]
    assert [path.stat().st_mode & 0o777 for path in holders] == [0o600]
    station.forget(MAC)
    assert not [p for p in (tmp_path / "s").rglob("*") if p.is_file() and secret.hex() in p.read_text()]


def filled(folder: Path) -> Ledger:
    ledger = Ledger(folder)
    for unit, kind in ((1, "provisioned"), (2, "abandoned"), (1, "returned")):
        ledger.append(kind, unit, MAC, {"order": "O-1"}, AT)
    return ledger


def test_a_ledger_is_read_by_whoever_has_its_public_key(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    rows = verified(ledger.export(), ledger.public_key)
    assert [(row.n, row.unit, row.kind) for row in rows] == [
        (1, 1, "provisioned"),
        (2, 2, "abandoned"),
        (3, 1, "returned"),
    ]
    assert Ledger(tmp_path).last_of_board(MAC) == rows[-1]
    with pytest.raises(LedgerError):
        verified(ledger.export(), Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize("attack", ["change", "remove", "swap", "repeat", "insert", "cut"])
def test_a_changed_ledger_is_noticed(tmp_path: Path, attack: str) -> None:
    ledger = filled(tmp_path)
    lines = ledger.export().splitlines(keepends=True)
    attacked = {
        "change": [lines[0].replace(b'"unit": 1', b'"unit": 9'), *lines[1:]],
        "remove": [lines[0], lines[2]],
        "swap": [lines[1], lines[0], lines[2]],
        "repeat": [*lines, lines[2]],
        "insert": [b"{}\n", *lines],
        "cut": [lines[0], lines[1][:-10] + b"\n", lines[2]],
    }[attack]
    with pytest.raises(LedgerError):
        verified(b"".join(attacked), ledger.public_key)
    (tmp_path / "ledger.jsonl").write_bytes(b"".join(attacked))
    with pytest.raises(LedgerError):
        ledger.append("scrapped", 1, MAC, {}, AT)


def test_a_line_that_was_never_acknowledged_is_cut_off(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    with (tmp_path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"n": 4, "kind": "prov')
    assert len(ledger.rows()) == 3
    ledger.append("scrapped", 1, MAC, {}, AT)
    assert [row.kind for row in ledger.rows()][-1] == "scrapped"


def test_the_partition_table_is_what_the_makers_tool_writes() -> None:
    from esp_idf_defs.partitions import PartitionTable

    ours = layout(4 << 20)
    rows = [f"{one.label},{one.kind},{one.subtype},{one.offset:#x},{one.size:#x}," for one in ours]
    assert PartitionTable.from_csv("\n".join(rows)).to_binary() == to_binary(ours)
    assert from_binary(to_binary(ours)) == ours


@given(st.integers(0, 191), st.integers(1, 255))
def test_a_table_with_any_bit_wrong_is_refused(at: int, change: int) -> None:
    table = bytearray(to_binary(layout(4 << 20)))
    table[at] ^= change
    if 160 + 2 <= at < 160 + 16:
        return  # Fourteen bytes of padding that no reader looks at.
    with pytest.raises(PartitionError):
        from_binary(bytes(table))


@pytest.mark.parametrize("offset", [0x8000, 0x9800, 0xE000])
def test_partitions_that_overlap_are_refused(offset: int) -> None:
    first = Partition("nvs", 1, 2, 0x9000, 0x6000)
    with pytest.raises(PartitionError):
        to_binary((first, Partition("more", 1, 2, offset, 0x1000)))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b.cbor", "folder/c"]), st.binary(max_size=9000)))
def test_files_come_back_from_an_image(files: dict[str, bytes]) -> None:
    image = littlefs_image.build(files, 64 * 4096)
    assert len(image) == 64 * 4096
    assert littlefs_image.read(image) == files
    assert littlefs_image.build(files, 64 * 4096) == image


def test_what_does_not_fit_or_is_none_is_refused() -> None:
    with pytest.raises(littlefs_image.ImageError):
        littlefs_image.build({"a": bytes(100_000)}, 8 * 4096)
    with pytest.raises(littlefs_image.ImageError):
        littlefs_image.read(b"\xff" * 8 * 4096)


def test_nvs_holds_public_facts_and_refuses_what_sounds_secret() -> None:
    image = nvs_image.build({"unit": 42, "board": "virtual"}, 0x6000)
    assert len(image) == 0x6000
    assert b"virtual" in image
    assert nvs_image.build({"unit": 42, "board": "virtual"}, 0x6000) == image
    with pytest.raises(nvs_image.NvsError):
        nvs_image.build({"mqtt_key": "x"}, 0x6000)


@pytest.mark.parametrize("size", labels.SIZES)
def test_a_label_of_each_size_is_one_page(size: str) -> None:
    made = labels.label_pdf("LIVLINA:0000-01A-X", "0000-01A-X", ("social", "O-1"), size)
    assert made.startswith(b"%PDF")
    assert made.count(b"/Type /Page\n") == 1
    assert made == labels.label_pdf("LIVLINA:0000-01A-X", "0000-01A-X", ("social", "O-1"), size)


def test_a_label_that_nobody_could_read_is_refused() -> None:
    with pytest.raises(labels.LabelSizeError):
        labels.label_pdf("LIVLINA:0000-01A-X", "0000-01A-X", ("x" * 80, ""), "25x12")
