"""A folded program does what its source does, and what cannot be folded is left or refused."""

from __future__ import annotations

import ast
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.manifest import FILES
from provisioning.folding import FoldError, fold
from provisioning.rewriting import same
from sim.firmware_build import ROOT


def executed(texts: dict[str, str], module: str, name: str) -> object:
    """What a name of a program is after all of its modules have been executed, in this order."""
    made: dict[str, types.ModuleType] = {}
    before = dict(sys.modules)
    try:
        for one, text in texts.items():
            made[one] = sys.modules[one] = types.ModuleType(one)
            exec(compile(text, one, "exec"), made[one].__dict__)
        return getattr(made[module], name)()
    finally:
        for one in texts:
            del sys.modules[one]
        sys.modules.update(before)


OPERATORS = ("+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>")
EXPRESSIONS = st.recursive(
    st.one_of(st.integers(-300, 300).map(repr), st.sampled_from(["ONE", "TWO", "low.ONE", "low.THREE"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda one: f"({one[0]} {one[1]} {one[2]})"),
        inner.map(lambda one: f"(-{one})"),
        inner.map(lambda one: f"(~{one})"),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, EXPRESSIONS)
def test_a_folded_program_computes_what_its_source_computes(one: str, two: str) -> None:
    low = "ONE = 7\nTHREE = ONE * 3\n"
    high = (
        "import foldlow as low\nfrom foldlow import ONE\nTWO = ONE + 2\n"
        f"def value():\n    try:\n        return ({one}, {two})\n"
        "    except (ZeroDivisionError, ValueError, OverflowError, MemoryError) as error:\n        return type(error)\n"
    )
    texts = {"foldlow": low, "foldhigh": high}
    assert executed(fold(texts), "foldhigh", "value") == executed(texts, "foldhigh", "value")


@pytest.mark.parametrize(
    "body",
    [
        "LIMIT = 1\ndef value():\n    global LIMIT\n    LIMIT += 1\n    return LIMIT\n",
        "LIMIT = 1\nLIMIT += 4\ndef value():\n    return LIMIT\n",
        "LIMIT = 1\ndef value(LIMIT=3):\n    return LIMIT\n",
        "LIMIT = 1\ndef value():\n    LIMIT = 5\n    return LIMIT\n",
        "LIMIT = 1\nclass C:\n    LIMIT = 6\n    other = LIMIT\ndef value():\n    return C.other, C().LIMIT, LIMIT\n",
        "LIMIT = 1\ndef value():\n    return [LIMIT for LIMIT in (1, 2)], LIMIT\n",
        "LIMIT = 1\ndef value():\n    return globals()['LIMIT']\n",
        "len = 1\ndef value():\n    return len\n",
        "LIMIT = 1 // 0 if False else 2\ndef value():\n    return LIMIT\n",
    ],
)
def test_names_that_mean_several_things_mean_them_still(body: str) -> None:
    assert executed(fold({"foldone": body}), "foldone", "value") == executed({"foldone": body}, "foldone", "value")


def test_a_constant_that_somebody_sets_is_no_constant() -> None:
    texts = {
        "foldlow": "LIMIT = 1\n",
        "foldhigh": "import foldlow\ndef value():\n    foldlow.LIMIT = 9\n    return foldlow.LIMIT\n",
    }
    folded = fold(texts)
    assert "LIMIT = 1" in folded["foldlow"] and executed(folded, "foldhigh", "value") == 9


def test_a_companion_sees_what_is_folded_and_cannot_set_it_nor_change_the_program() -> None:
    texts = {"foldlow": "LIMIT = 11\ndef value():\n    return LIMIT\n"}
    alone = fold(texts)
    reads = fold(texts, {"guest": "import foldlow\ndef value():\n    return foldlow.LIMIT\n"})
    assert "LIMIT" not in alone["foldlow"] and reads["foldlow"] == alone["foldlow"]
    assert executed(reads, "guest", "value") == 11
    with pytest.raises(FoldError, match=r"foldlow\.LIMIT is a constant"):
        fold(texts, {"guest": "import foldlow\nfoldlow.LIMIT = 2\n"})
    with pytest.raises(FoldError, match="as a whole"):
        fold(texts, {"guest": "import foldlow\nprint(foldlow)\n"})


def test_lines_of_all_that_is_shipped_keep_their_numbers() -> None:
    texts = {name.removesuffix(".py").replace("/", "."): (ROOT / name).read_text() for name in dict.fromkeys(FILES)}
    folded = fold(texts)
    assert {name: text.count("\n") for name, text in folded.items()} == {
        name: text.count("\n") for name, text in texts.items()
    }
    assert fold(texts) == folded


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a = 1", "a  =  1", True), ("a = 1", "a = 2", False), ("a = 1", "a = True", False),
        ("a = 1", "a = '1'", False), ("a = b", "a = c", False), ("f(1)", "f(1, 2)", False),
        ("a = 1", "a: int = 1", False), ("def f():\n    return 1", "def f():\n\n    return 1", True),
        ("x = a + b", "x = a - b", False),
    ],
)  # fmt: skip
def test_two_trees_are_the_same_where_only_their_places_differ(one: str, other: str, expected: bool) -> None:
    assert same(ast.parse(one), ast.parse(other)) is expected
    assert (ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))) is expected
