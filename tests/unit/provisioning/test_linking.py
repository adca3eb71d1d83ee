"""A linked program does what its modules do, on CPython and on MicroPython; what cannot be linked is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.manifest import GROUPS
from provisioning import where
from provisioning.linking import LinkError, link
from provisioning.shortening import ShortenError, shorten
from sim.firmware_build import ROOT, build_firmware, interpreter

NAMES = ("alpha", "beta", "gamma", "count", "_hidden", "find")
NAMED_ERROR = "try:\n    one = 1\nexcept ValueError as error:\n    print(error)\n"
MODULES = ("one", "two", "three")


def put(folder: Path, texts: dict[str, str]) -> None:
    """Write a program below a folder."""
    for name, text in texts.items():
        path = folder / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def ran(command: list[str], folder: Path, module: str) -> str:
    """What `value()` of a module is, in a process of its own; an error's last line if it has one."""
    code = f"import sys\nsys.path.insert(0, {str(folder)!r})\nfrom {module} import value\nprint(value())"
    done = subprocess.run([*command, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@st.composite
def programs(draw: st.DrawFn) -> dict[str, str]:
    """Three modules with the same names in all of them, which use each other in every way that is allowed."""
    texts: dict[str, str] = {}
    for number, module in enumerate(MODULES):
        lines = ["import sys"] if draw(st.booleans()) else []
        reach: list[str] = []
        for other in MODULES[:number]:
            how = draw(st.sampled_from(["import as", "from package", "names", "local", "none"]))
            name = draw(st.sampled_from(NAMES))
            if how == "import as":
                lines.append(f"import pkg.{other} as {other}_")
                reach.append(f"{other}_.{name}()")
            elif how == "from package":
                lines.append(f"from pkg import {other}")
                reach.append(f"{other}.{name}()")
            elif how == "names":
                lines.append(f"from pkg.{other} import {name} as {other}_{name}")
                reach.append(f"{other}_{name}()")
            elif how == "local":
                lines.append(f"def local_{other}():\n    from pkg.{other} import {name}\n    return {name}()")
                reach.append(f"local_{other}()")
        lines.append(f"state = [{draw(st.integers(0, 9))}]\nTOTAL = {draw(st.integers(0, 99))}")
        for name in NAMES:
            shadow = draw(st.sampled_from(["", "TOTAL = 5", "alpha = 7", "state = [1]"]))
            lines.append(f"def {name}(given={draw(st.integers(0, 9))}, beta=2):")
            lines.append(
                f"    {shadow or 'pass'}\n    state[0] += 1\n    return ({module!r}, given, beta, TOTAL, state[0])"
            )
        lines.append(
            "class Thing:\n    alpha = 4\n    def __init__(self, deep):\n        self._deep = deep\n"
            "        self.gamma = 1\n"
            "    def _sum(self, other):\n        return self._deep + other.gamma + self.alpha + TOTAL\n"
            "    def gamma_of(self):\n        return [gamma for gamma in (self._sum(self),)], find()\n"
        )
        lines.append("class Child(Thing):\n    def _sum(self, other):\n        return -Thing._sum(self, other)\n")
        lines.append("def change():\n    global TOTAL\n    TOTAL += 1\n    return TOTAL\n")
        tail = ", ".join(
            ["change()", "Thing(3).gamma_of()", "Child(5).gamma_of()", *reach, *[f"{one}()" for one in NAMES]]
        )
        lines.append(f"def value():\n    return ({tail},)\n")
        texts[f"pkg.{module}"] = "\n".join(lines) + "\n"
    texts["pkg.three"] = texts["pkg.three"].replace("def value", "def own") + (
        "def value():\n    from pkg.one import value as first\n    from pkg import two\n"
        "    return first(), two.value(), own()\n"
    )
    return texts


GROUPINGS = (
    {"out.all": ["pkg.one", "pkg.two", "pkg.three"]},
    {"out.base": ["pkg.one"], "out.all": ["pkg.two", "pkg.three"]},
    {"out.base": ["pkg.one", "pkg.two"], "out.all": ["pkg.three"]},
)


@pytest.mark.parametrize("command", [[sys.executable, "-P"], interpreter()], ids=["cpython", "micropython"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=programs(), groups=st.sampled_from(GROUPINGS))
def test_a_linked_program_does_what_its_modules_do(
    command: list[str], texts: dict[str, str], groups: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("linked")
    put(folder / "apart", texts)
    linked = link(shorten(texts), groups, [("pkg.three", "value")])
    put(folder / "linked", linked.groups)
    assert ran(command, folder / "linked", "out.all") == ran(command, folder / "apart", "pkg.three")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"a": "from b import *\n", "b": "one = 1\n"}, "by its whole name"),
        ({"a": "from . import b\n", "b": "one = 1\n"}, "by its whole name"),
        ({"a": "import b\ndef value():\n    return getattr(b, 'one')\n", "b": "one = 1\n"}, "handed on as a whole"),
        ({"a": "def value():\n    return globals()['one']\none = 1\n"}, "globals means something else"),
        ({"a": "def value():\n    return __name__\n"}, "__name__ means something else"),
        ({"a": "import b\none = b.two\n", "b": "import a\ntwo = 2\n"}, "import each other"),
        ({"a": "import b\ndef value():\n    return b.absent\n", "b": "one = 1\n"}, "b has no absent"),
        ({"a": "import b\ndef run():\n    pass\n", "b": "def other(run):\n    return run\n"}, "is public"),
        ({"a": "import b\n" + NAMED_ERROR, "b": NAMED_ERROR}, "inside of a function"),
    ],
)
def test_what_cannot_be_linked_is_refused(texts: dict[str, str], said: str) -> None:
    with pytest.raises(LinkError, match=said):
        link(texts, {"out": ["a"]}, [("a", "run")])


def test_a_module_in_no_group_is_refused() -> None:
    with pytest.raises(LinkError, match="b is in no group"):
        link({"a": "one = 1\n", "b": "two = 2\n"}, {"out": ["a"]})


def test_a_companion_follows_the_names_and_changes_nothing(tmp_path: Path) -> None:
    texts = {
        "pkg.one": "class Box:\n    def __init__(self, held):\n        self._held = held\n    def size(self):\n"
        "        return self._held\ndef make(held):\n    return Box(held)\n",
        "pkg.two": "from pkg import one\ndef make():\n    return one.make(3)\n",
    }
    guest = {
        "guest": "from pkg import one, two\ndef value():\n    made = two.make()\n    made._held += 4\n"
        "    return made.size(), one.make(1)._held\n"
    }
    both = shorten(texts, guest)
    alone = shorten(texts)
    assert {name: both[name] for name in texts} == alone
    linked = link(alone, {"out": ["pkg.two"]}, (), {"guest": both["guest"]})
    assert linked.groups == link(alone, {"out": ["pkg.two"]}).groups
    put(tmp_path, {**linked.groups, **linked.companions})
    assert ran([sys.executable, "-P"], tmp_path, "guest") == "(7, 1)\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def value(box):\n    return getattr(box, '_held')\n", "by a text"),
        ("def value(box):\n    return f'{box._held}'\n", "outside of the f-string"),
        (
            "class Mine:\n    def __init__(self):\n        self._held = self._kept = 1\n"
            "def value(box):\n    return box._held, box._kept\n",
            "would be one",
        ),
    ],
)
def test_a_companion_that_cannot_follow_is_refused(body: str, said: str) -> None:
    texts = {
        "one": "class Box:\n    def __init__(self):\n        self._held = 1\n",
        "two": "class Other:\n    def __init__(self):\n        self._kept = 1\n",
    }
    with pytest.raises(ShortenError, match=said):
        shorten(texts, {"guest": body})


@pytest.mark.parametrize(
    "body",
    [
        "class Box:\n    def __init__(self):\n        self._held = 1\n"
        "def value():\n    return getattr(Box(), '_held')\n",
        "class Box:\n    def __init__(self):\n        self._held_now = 1\n"
        "def value():\n    return getattr(Box(), '_held' + '_now')\n",
        "import collections\nclass Box(collections.OrderedDict):\n    def _held(self):\n        return 1\n",
    ],
)
def test_private_names_that_a_text_or_a_stranger_may_mean_stay(body: str) -> None:
    assert shorten({"one": body})["one"] == body


def test_every_line_of_the_unit_leads_back_to_its_source(tmp_path: Path) -> None:
    build = build_firmware(tmp_path)
    lines = json.loads((build / where.LINES).read_text())
    assert lines.keys() == GROUPS.keys()
    lengths = {}
    for group, starts in lines.items():
        assert starts == sorted(starts), group
        for _, module, line in starts:
            path = ROOT / (module.replace(".", "/") + ".py")
            length = lengths.setdefault(module, path.read_text().count("\n"))
            assert 1 <= line <= length, f"{module} in {group}"
    told = 'Traceback:\n  File "firmware/main.py", line %d, in run\n  File "beside/it.py", line 3\n'
    first, _, line = next(one for one in lines["firmware.main"] if one[1] == "firmware.driver" and one[2] > 1)
    found = where.explained(where.read(build), told % first)
    assert f"[firmware/driver.py:{line}]" in found and found.endswith('File "beside/it.py", line 3\n')
