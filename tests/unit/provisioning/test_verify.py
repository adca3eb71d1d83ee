"""A board against the ledger: what a reading of its flash finds that somebody has changed."""

from __future__ import annotations

import pytest

from provisioning import littlefs_image
from provisioning.endings import close
from provisioning.partition_table import TABLE_OFFSET, layout, named
from provisioning.run import RunError, run
from provisioning.verify import verify
from tests.provision_bench import KIND, MAC, ORDER, MemoryBoard, Workshop

PARTS = layout(KIND.flash_bytes)
FILES = named(PARTS, "vfs")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workshop, bytes]:
    shop, board = Workshop(tmp_path_factory.mktemp("shop")), MemoryBoard()
    run(shop.bench(), board, ORDER, KIND)
    return shop, bytes(board.flash)


def faults_of(made: tuple[Workshop, bytes], pieces: dict[int, bytes]) -> tuple[str, ...]:
    shop, flash = made
    board = MemoryBoard()
    board.flash[:] = flash
    board.write(pieces)
    verdict = verify(board, shop.bench().ledger)
    assert verdict.mac == MAC and verdict.passes == (not verdict.faults)
    return verdict.faults


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"main.py": b"print('theirs')\n"}, "main.py"),
        ({"boot.py": b"print('theirs')\n"}, "boot.py"),
        ({"lib/firmware/main.mpy": b"M\x06"}, "lib/firmware/main.mpy"),
        ({"journal": b"what the unit writes"}, None),
        ({}, None),
    ],
)
def test_code_that_a_board_would_run_is_compared_and_what_it_writes_is_not(
    made: tuple[Workshop, bytes], changed: dict[str, bytes], fault: str | None
) -> None:
    files = littlefs_image.read(made[1][FILES.offset : FILES.end]) | changed
    found = faults_of(made, {FILES.offset: littlefs_image.build(files, FILES.size)})
    assert found == (() if fault is None else (f"{fault} in the file system is not what was written",))


def test_a_board_without_its_main_or_its_identity_does_not_pass(made: tuple[Workshop, bytes]) -> None:
    files = littlefs_image.read(made[1][FILES.offset : FILES.end])
    for name, words in (("main.py", "main.py"), ("identity.cbor", "no identity")):
        less = {one: content for one, content in files.items() if one != name}
        (fault,) = faults_of(made, {FILES.offset: littlefs_image.build(less, FILES.size)})
        assert words in fault


@pytest.mark.parametrize(
    "place", [0, TABLE_OFFSET, *(part.offset for part in PARTS if part.label in ("nvs", "factory"))]
)
def test_any_byte_of_what_stays_is_compared(made: tuple[Workshop, bytes], place: int) -> None:
    (fault,) = faults_of(made, {place + 2: b"\x5a"})
    assert f"from {place:#x} " in fault


def test_a_board_that_may_still_need_a_cable_is_not_closed(made: tuple[Workshop, bytes]) -> None:
    shop, flash = made
    board, ledger = MemoryBoard(), shop.bench().ledger
    board.flash[:] = flash
    with pytest.raises(RunError, match="only a production board"):
        close(ledger, board, "goes to a home", shop.bench().clock)
    board.write({TABLE_OFFSET: b"another table"})
    with pytest.raises(RunError, match="stays open"):
        close(ledger, board, "goes to a home", shop.bench().clock)
    assert [row.kind for row in ledger.rows()] == ["provisioned"]
