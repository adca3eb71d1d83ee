"""The order in which the tests begin on several workers."""

from __future__ import annotations

from itertools import groupby

from tests.sharing import order, share_of
from tests.sizes import quick

TESTS = [
    *(f"tests/unit/wire/test_{name}.py::test_{n}" for name in "abcdef" for n in range(3)),
    *(f"tests/journeys/test_{name}.py::test_{n}" for name in "gh" for n in range(2)),
    "tests/on_unit/test_on_unit.py::test_on_micropython[unit_heap]", "tests/unit/sim/test_i.py::test_x",
    "tests/store/test_j.py::test_1", "tests/store/test_j.py::test_2", "tests/elsewhere/test_k.py::test_x",
]  # fmt: skip


def test_every_test_is_in_one_share_and_every_share_begins_once() -> None:
    shares = order(TESTS)
    assert sorted(shares) == sorted({share_of(one) for one in TESTS})
    assert "tests/store/test_j.py" in shares and "tests/journeys/test_g.py::test_1" in shares


def test_waiting_and_computing_alternate_and_the_longest_come_first() -> None:
    shares = order(TESTS)
    computing = [share.startswith(("tests/unit/wire", "tests/on_unit", "tests/elsewhere")) for share in shares]
    assert max(len(list(run)) for _, run in groupby(computing)) <= 2
    assert shares.index("tests/journeys/test_h.py::test_1") < shares.index("tests/unit/sim/test_i.py::test_x")
    assert shares.index("tests/unit/sim/test_i.py::test_x") < shares.index("tests/store/test_j.py")


def test_a_quick_size_is_a_part_of_the_full_one_and_never_more() -> None:
    assert [quick(full) for full in (3, 25, 100, 300, 2000)] == [3, 25, 25, 30, 200]
