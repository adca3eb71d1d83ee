"""Runs before main.py on the board: why the unit started, and whether this boot is a cautious one.

A firmware error, a task over its limit and a hardware watchdog reset each count as a crash, on flash, with a note of
the reason (core.reboot). After `MOST` crashes without a proven boot in between the unit starts in safe mode: all its
inputs, and the smallest part that can still send an alarm. After as many more it is `bare`: its own button and nothing
else. A boot is proven by a verified receipt and an hour without a crash (`reboot.Proof`); then `proven` clears the
count, or `leave` ends safe mode, by a restart that the caller makes when no press is open. Without readable notes the
unit just starts normally: it must start in any case.

The file `crashes` is `CRC-32 | {1: crashes, ? 2: note, ? 3: its detail (text), ? 4: times that safe mode was left in
vain}`; the number alone, as units of version 0.1.0 have it, is read too.
"""

import gc

from firmware.core import reboot
from firmware.ports import breadcrumbs, watchdog
from firmware.ports.console import say
from firmware.ports.kept import pack, unpack
from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.ports.breadcrumbs import Crumbs
    from firmware.ports.flash import Flash

FILE = "crashes"
MOST = 3

_COUNT, _NOTE, _DETAIL, _STAYS = 1, 2, 3, 4
_LONGEST_DETAIL = 40


def _read(flash: "Flash") -> "dict[int, Any]":
    """What is kept; empty if the file is missing or damaged."""
    data = flash.read(FILE)
    kept = unpack(data)
    if isinstance(kept, dict):
        return kept
    if data:
        try:
            count = cbor.decode(data)
        except cbor.CborError:
            return {}
        if isinstance(count, int) and count >= 0:
            return {_COUNT: count}
    return {}


def _number(kept: "dict[int, Any]", key: int) -> int:
    value = kept.get(key)
    return value if isinstance(value, int) and value >= 0 else 0


def _write(flash: "Flash", kept: "dict[int, Any]") -> bool:
    try:
        flash.replace(FILE, pack(kept))
    except OSError as error:
        say("boot:", error)
        return False
    return True


def crashes(flash: "Flash") -> int:
    """Crashes since the last proven boot; 0 if the file is missing or damaged."""
    return _number(_read(flash), _COUNT)


def stays(flash: "Flash") -> int:
    """How often safe mode has been left in vain since the last proven boot outside it."""
    return _number(_read(flash), _STAYS)


def _count(kept: "dict[int, Any]") -> None:
    kept[_COUNT] = min(_number(kept, _COUNT) + 1, 255)


def note(flash: "Flash", code: int, detail: str = "") -> bool:
    """The firmware is about to reset the board for this reason. False when flash refuses."""
    kept = _read(flash)
    kept[_NOTE] = code
    kept[_DETAIL] = detail[:_LONGEST_DETAIL]
    return _write(flash, kept)


def crashed(flash: "Flash", error: "BaseException | None" = None, crumbs: "Crumbs | None" = None) -> None:
    """The firmware has failed; the reset comes next. Only the error's type is noted, never its text."""
    code = reboot.KERNEL_PANIC if error is None else reboot.of_error(error)
    gc.collect()
    kept = _read(flash)
    _count(kept)
    kept[_NOTE] = code
    kept[_DETAIL] = "" if error is None else type(error).__name__[:_LONGEST_DETAIL]
    _write(flash, kept)
    _leave_crumb(crumbs, breadcrumbs.CRASH, code)


def bitten(flash: "Flash", task: str, crumbs: "Crumbs | None" = None) -> None:
    """A task is over its limit; the reset comes next."""
    kept = _read(flash)
    _count(kept)
    kept[_NOTE] = reboot.SOFTWARE_WATCHDOG
    kept[_DETAIL] = task[:_LONGEST_DETAIL]
    _write(flash, kept)
    _leave_crumb(crumbs, breadcrumbs.LATE, watchdog.position(task))


def _leave_crumb(crumbs: "Crumbs | None", code: int, value: int) -> None:
    if crumbs is not None:
        crumbs.drop(code, value)
        crumbs.save()


def reason(flash: "Flash", machine: "Any") -> int:
    """Why the unit started, as a code of core.reboot. Call it once per boot, before `safe`: it takes the note away, and
    counts a crash that nobody could note."""
    kept = _read(flash)
    known = _number(kept, _NOTE)
    code = reboot.reason(machine.reset_cause(), known)
    if not known and code >= reboot.UNKNOWN_ERROR:
        _count(kept)
        _write(flash, kept)
    elif known:
        kept.pop(_NOTE)
        kept.pop(_DETAIL, None)
        _write(flash, kept)
    return code


def detail(flash: "Flash") -> str:
    """What the note says besides its code (an error's type, a task's name); read it before `reason`."""
    text = _read(flash).get(_DETAIL)
    return text if isinstance(text, str) else ""


def proven(flash: "Flash") -> None:
    """This boot has shown that the firmware works on this board."""
    kept = _read(flash)
    if _number(kept, _COUNT) or _number(kept, _STAYS):
        kept[_COUNT] = 0
        kept.pop(_STAYS, None)
        _write(flash, kept)


def state(flash: "Flash") -> "dict[int, Any]":
    """What is kept here, for `restore`."""
    return _read(flash)


def restore(flash: "Flash", kept: "dict[int, Any]") -> bool:
    """The reset does not come now after all: what was kept before its note. False when flash refuses."""
    return _write(flash, kept)


def leave(flash: "Flash") -> bool:
    """Safe mode has run long enough: the next boot is a normal one. False when flash refuses: then stay."""
    kept = _read(flash)
    kept[_COUNT] = 0
    kept[_STAYS] = min(_number(kept, _STAYS) + 1, 255)
    kept[_NOTE] = reboot.SOFTWARE_RESET
    kept.pop(_DETAIL, None)
    return _write(flash, kept)


def safe(flash: "Flash") -> bool:
    """Whether to start in safe mode."""
    return crashes(flash) >= MOST


def bare(flash: "Flash") -> bool:
    """Whether safe mode has failed as often: then one of the other inputs may be what fails."""
    return crashes(flash) >= 2 * MOST
