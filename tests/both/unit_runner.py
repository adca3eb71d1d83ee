"""Runs one file of tests/both under MicroPython: `unit_runner.main("test_cbor", "/rom/")`.

One line per test; 1 when a test fails, when the file has none, or when a module of ours was not loaded from the place
named in the second argument, so that the bytes under test are the bytes meant.
"""

import gc
import sys

COLLECT = 16384
"""As firmware.main."""


def run(name: str) -> "tuple[int, int]":
    """Run every test_ function of a module in order of name; return how many passed and how many failed."""
    module = __import__(name)
    passed = failed = 0
    for test in sorted(dir(module)):
        if not test.startswith("test_"):
            continue
        try:
            getattr(module, test)()
        except Exception as error:  # noqa: BLE001 - a failing test is counted, printed and decides the exit code
            failed += 1
            print("FAIL", test)
            sys.print_exception(error)  # type: ignore[attr-defined]
        else:
            passed += 1
            print("ok", test)
    return passed, failed


def strangers(place: str) -> "list[str]":
    """Return the modules of ours that were loaded from elsewhere."""
    found = []
    for name in sys.modules:
        if name.startswith(("protocols", "firmware")):
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and not origin.startswith(place):
                found.append(name + " from " + origin)
    return sorted(found)


def main(name: str, place: str) -> int:
    """Return the exit code for one test file."""
    gc.threshold(COLLECT)  # type: ignore[attr-defined]
    passed, failed = run(name)
    wrong = strangers(place)
    for line in wrong:
        print("WRONG FILE", line)
    print(name, passed, "passed", failed, "failed")
    return 0 if passed and not failed and not wrong else 1
