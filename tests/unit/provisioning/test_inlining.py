"""A program whose private functions stand in their callers does what it did, on CPython and on MicroPython."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.manifest import FILES
from provisioning.inlining import InlineError, inline
from sim.firmware_build import ROOT, interpreter

BODIES = (
    ["return note(a) + b"],
    ["if a > 2:", "    return note(b)", "return note(a)"],
    ["if a > 2:", "    if b:", "        return 7", "    return note(8)", "a += 1", "return a"],
    ["if a:", "    note(a)", "else:", "    return b", "note('late')"],
    ["total = 0", "for one in range(a):", "    total += note(one)", "if total > 3:", "    return", "note(total)"],
    ["for one in range(3):", "    if one == a:", "        return note(one)", "return -1"],
    ["found = [note(x) + b for x in range(a) if x != 1]", "return found"],
    ["return [(x, y) for x in range(a) for y in range(x) if x in (1, 2, 3)]"],
    ["if not [x for x in (a, b) if x is None]:", "    note('whole')", "return len([x for x in (a, b) if x])"],
    ["try:", "    note(a // b)", "except ZeroDivisionError:", "    return 'zero'", "return note(1)"],
    ["while a:", "    a -= 1", "    if a in (2, -1):", "        continue", "    note(a)"],
    ["if a not in (1, 'x', None):", "    raise ValueError(note(a))", "return bytes((1, 2, 250))"],
)
CALLS = (
    ["return {f}({x}, b={y})"],
    ["{f}({x}, {y})"],
    ["made = {f}({y}, {x})", "note(made)", "return made"],
    ["for one in (1, 2):", "    a = {f}(one, {y})", "    if a:", "        note(a)", "return a"],
    ["if a > 1:", "    return {f}({x}, note(3))", "elif a:", "    {f}(note(4), b=note(5))", "return note(a)"],
    ["first, second = {f}({x}, {y}), 1", "return first"],
    ["self_kept = {f}(note({x}))", "return self_kept, a"],
)
PRELUDE = "seen = []\ndef note(what):\n    seen.append(what)\n    return what if isinstance(what, int) else 1\n"


@st.composite
def programs(draw: st.DrawFn) -> str:
    """One module: methods and functions that call one private one each."""
    lines: list[str] = []
    tried: list[str] = []
    for owner in ("Box", ""):
        if owner:
            lines.append("class Box:\n    def __init__(self):\n        self.a = 2")
        for number in range(draw(st.integers(3, 6))):
            pad = "    " if owner else ""
            me = "self, " if owner else ""
            call = f"self._one{number}" if owner else f"_all{number}"
            body = draw(st.sampled_from(BODIES))
            lines.append(f"{pad}def {call.removeprefix('self.')}({me}a, b=2):")
            lines += [f"{pad}    {line}" for line in body]
            name = f"{'m' if owner else 'f'}{number}"
            lines.append(f"{pad}def {name}({me}a, b):")
            x, y = draw(st.sampled_from([("a", "b"), ("b", "a"), ("note(a)", "note(b)"), ("0", "a")]))
            lines += [f"{pad}    {line.format(f=call, x=x, y=y)}" for line in draw(st.sampled_from(CALLS))]
            tried.append(f"Box().{name}" if owner else name)
    lines.append("def value():\n    found = []")
    for one in tried:
        for a, b in ((0, 1), (1, 0), (3, 2), (4, 0)):
            lines.append(
                f"    try:\n        found.append({one}({a}, {b}))\n"
                "    except (ValueError, TypeError, ZeroDivisionError) as error:\n"
                "        found.append(type(error).__name__)"
            )
    lines.append("    return found, seen")
    return PRELUDE + "\n".join(lines) + "\n"


def ran(command: list[str], folder: Path, text: str) -> str:
    """What `value()` of a module is, in a process of its own."""
    (folder / "it.py").write_text(text)
    code = f"import sys\nsys.path.insert(0, {str(folder)!r})\nfrom it import value\nprint(value())"
    done = subprocess.run([*command, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + text
    return done.stdout


@pytest.mark.parametrize("command", [[sys.executable, "-BP"], interpreter()], ids=["cpython", "micropython"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=programs())
def test_a_changed_program_does_what_it_did(
    command: list[str], text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("inlined")
    before = ran(command, folder, text)
    assert ran(command, folder, inline({"it": text}).texts["it"]) == before


def test_a_function_that_is_called_once_is_gone_and_a_comprehension_is_a_loop() -> None:
    text = (
        "class Box:\n    def show(self, a):\n        if a:\n            return self._of(a)\n"
        "        return [x for x in a]\n"
        "    def _of(self, b):\n        if b in (1, 2):\n            return b\n        return bytes((b'x'[0], 3))\n"
    )
    found = inline({"it": text})
    assert found.gone == {"_of"}
    assert "_of" not in found.texts["it"] and "for x" in found.texts["it"] and "[x" not in found.texts["it"]
    assert "b == 1 or b == 2" in found.texts["it"].replace("b__1", "b")


@pytest.mark.parametrize(
    "text",
    [
        "def _f():\n    return 1\n\ndef value():\n    return _f() + _f()\n",
        "def _f():\n    yield 1\n\ndef value():\n    return _f()\n",
        "def _f():\n    return 1\n\nasync def value():\n    return _f()\n",
        "class A:\n\n    def _f(self):\n        return 1\n\n    def g(self):\n        return self._f()\n\n"
        "class B(A):\n    pass\n",
        "class A:\n\n    def _on_x(self):\n        return 1\n\n    def g(self, k):\n        self._on_x()\n"
        "        return getattr(self, '_on_' + k)()\n",
        "def _f():\n    return one\n\ndef value():\n    one = 2\n    return _f()\n",
        "def _f(*rest):\n    return rest\n\ndef value():\n    return _f(1)\n",
        "def value():\n    return note() + len([x for x in (1, 2)])\n",
        "def value():\n    return one and [x for x in (1, 2)]\n",
        "def value():\n    yield [x for x in (1, 2)]\n",
    ],
)
def test_what_may_mean_something_else_stays(text: str) -> None:
    found = inline({"it": text}).texts["it"].replace("del __module__, __qualname__\n", "")
    assert found.split() == text.split()


def test_a_companion_that_uses_what_is_gone_is_refused() -> None:
    texts = {"it": "def _f():\n    return 1\ndef value():\n    return _f()\n"}
    with pytest.raises(InlineError, match="beside, line 2: _f is called once"):
        inline(texts, {"beside": "import it\nit._f()\n"})
    own = "class Mine:\n    def _f(self):\n        return self._f\n"
    assert inline(texts, {"beside": own}).texts == inline(texts).texts


def test_lines_lead_back_to_the_sources() -> None:
    sources = {name: (ROOT / name).read_text() for name in FILES}
    found = inline(sources)
    assert len(found.gone) > 30
    for name, text in found.texts.items():
        old = sources[name].splitlines()
        for one in ast.walk(ast.parse(text)):
            if isinstance(one, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                source = [old[found.lines[name][one.lineno - 1] - 1]]
                first = found.lines[name][one.lineno - 1]
                source += old[first : first + len(one.decorator_list)] if not isinstance(one, ast.ClassDef) else []
                assert any(one.name in line for line in source), f"{name}: {one.name}"


def test_what_another_module_says_counts_though_this_one_was_inlined_before() -> None:
    one = "def _f():\n    return 1\ndef value():\n    return _f()\n"
    quiet, curious = "import one\n", "import one\none._f()\n"
    first = inline({"one": one, "two": quiet})
    assert first.gone == {"_f"} and "_f" not in first.texts["one"]
    assert inline({"one": one, "two": curious}).gone == frozenset()
    assert inline({"one": one, "two": quiet}) == first
