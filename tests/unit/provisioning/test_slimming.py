"""A class forgets what nobody asks of it, and is called by its name as before."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from provisioning.slimming import slim
from sim.firmware_build import interpreter

PROGRAM = """
class Box:
    __slots__ = ("a", "b")
    def __init__(self, a):
        self.a = a
    def get(self):
        return self.a
class Refused(ValueError):
    def __init__(self, why):
        super().__init__("refused: " + why)
class Small(Box):
    pass
try:
    raise Refused("x")
except ValueError as error:
    print(type(error).__name__, error, Small(3).get(), isinstance(Small(1), Box), Box.__name__)
"""


def slimmed(text: str) -> str:
    tree = ast.parse(text)
    slim(tree)
    return ast.unparse(tree)


@pytest.mark.parametrize("command", [[sys.executable], interpreter()], ids=["CPython", "MicroPython"])
def test_it_does_what_it_did(command: list[str]) -> None:
    said = [
        subprocess.run([*command, "-c", text], capture_output=True, text=True, check=True).stdout
        for text in (PROGRAM, slimmed(PROGRAM))
    ]
    assert said[0] == said[1] == "Refused refused: x 3 True Box\n"
    assert "__slots__" not in slimmed(PROGRAM) and slimmed(PROGRAM).count("del __module__, __qualname__") == 2


def test_on_micropython_a_class_takes_less() -> None:
    """The reason for it: two names more than its table has room for make it larger."""
    body = "class Box:\n" + "".join(f"    def m{number}(self):\n        pass\n" for number in range(11))
    sizes = []
    for text in (body, slimmed(body)):
        code = f"import gc\ngc.collect()\nbefore = gc.mem_alloc()\n{text}gc.collect()\nprint(gc.mem_alloc() - before)"
        done = subprocess.run([*interpreter(), "-c", code], capture_output=True, text=True, check=True)
        sizes.append(int(done.stdout))
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("asked", ["x.__qualname__", "getattr(x, '__module__')"])
def test_a_module_that_asks_keeps_them(asked: str) -> None:
    text = f"class A:\n\n    def f(self):\n        return 1\n\ndef g(x):\n    return {asked}\n"
    assert slimmed(text).split() == text.split()


def test_slots_that_are_read_stay() -> None:
    text = "class A:\n    __slots__ = ('a',)\n\ndef g(x):\n    return x.__slots__\n"
    assert "__slots__ = ('a',)" in slimmed(text)
