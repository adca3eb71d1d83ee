"""``make proof``: every full-size figure that the documents promise, measured here and now, as one table.

A figure comes from the product itself: `livlina demo`, the golden vectors, the compiled firmware. A measurement is a
function that yields figures; add it to MEASUREMENTS. Exit 1 where a figure misses its limit or cannot be had.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import heap, loss, options, stored, stored_real, year
from sim.firmware_build import build_firmware, interpreter, shipped_bytes

ROOT = Path(__file__).resolve().parents[1]
PACKET_IDS = """
import packet_ids
session, early, late = packet_ids.run({count})
print('{{"wraps": %d, "doubled": %d, "wrong": %d, "early": %d, "late": %d}}' %
      (session.wraps, session.doubled, session.wrong, early, late))
"""
DEMO_EXTRA_S = 120
# A demo that hangs is ended here; the figure "seconds until it ended" has its own limit.
DEMO_PATIENCE_S = 900
# (message, case of its golden vectors, the limit of docs/wire.md)
SEALED = (
    ("alarm", "full_width", 80),
    ("heartbeat", "full_width", 80),
    ("heartbeat", "full_over_a_card", 80),
    ("receipt", "full_width", 64),
    ("heartbeat", "full_status", 240),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. Without a limit it only informs; ``ok`` False makes the whole proof fail."""

    name: str
    value: float | int | str | None
    unit: str
    limit: str
    ok: bool
    command: str


def at_most(name: str, value: float | int | None, unit: str, most: float, command: str) -> Figure:
    """A figure that must be there and must not exceed ``most``."""
    return Figure(name, value, unit, f"at most {most}", value is not None and value <= most, command)


def exactly(name: str, value: float | int | None, unit: str, wanted: float, command: str) -> Figure:
    """A figure that must be this one."""
    return Figure(name, value, unit, f"{wanted}", value == wanted, command)


def told(name: str, value: float | int | str | None, unit: str, command: str) -> Figure:
    """A figure without a limit. It must be there."""
    return Figure(name, value, unit, "", value is not None, command)


def sealed_sizes() -> Iterator[Figure]:
    """Bytes of the largest sealed frame of each kind, out of the golden vectors that both engines are tested with."""
    for message, case, most in SEALED:
        text = (ROOT / f"protocols/wire/vectors/{message}.txt").read_text(encoding="utf-8")
        section = text.partition(f"[{case}]\n")[2].partition("\n[")[0]
        lines = [line.partition("=")[2] for line in section.splitlines() if line.startswith("sealed")]
        size = len(bytes.fromhex(lines[0])) if lines else None
        yield at_most(f"sealed {message}, {case.replace('_', ' ')}", size, "bytes", most, "make proof")


def firmware_size() -> Iterator[Figure]:
    """Bytes of .mpy that a unit carries, compiled as shipped."""
    with tempfile.TemporaryDirectory(prefix="livlina-proof-") as folder:
        made = build_firmware(Path(folder))
        yield told("firmware and protocols as .mpy", shipped_bytes(made) or None, "bytes", "make proof")


def demo(units: int) -> Callable[[], Iterator[Figure]]:
    """The whole way of a press with this many real units; judged by its own summary."""

    def measure() -> Iterator[Figure]:
        asked = 30
        arguments = ["demo", "--units", str(units), "--seconds", str(asked), "--headless", "--json"]
        command = "livlina " + " ".join(arguments)
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "livlina", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=DEMO_PATIENCE_S, check=False,
        )  # fmt: skip
        seconds = round(time.monotonic() - started, 1)
        name = f"demo, {units} units: "
        yield exactly(name + "exit status", done.returncode, "", 0, command)
        yield at_most(name + "seconds until it ended", seconds, "s", asked + DEMO_EXTRA_S, command)
        summary: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
        yield exactly(name + "unit processes", summary.get("unit_processes"), "", units, command)
        yield told(name + "interpreter", summary.get("interpreter"), "", command)
        yield told(name + "heartbeats", summary.get("heartbeats"), "", command)
        presses = summary.get("presses")
        least = asked // 4
        yield Figure(name + "presses", presses, "", f"at least {least}", (presses or 0) >= least, command)
        yield exactly(name + "lost", summary.get("lost"), "", 0, command)
        yield exactly(name + "duplicates", summary.get("duplicates"), "", 0, command)
        for stage in ("stored", "accepted", "taken"):
            for quantile in ("p50", "p95", "max"):
                value = summary.get(f"{stage}_ms", {}).get(quantile)
                yield told(f"{name}{stage}, {quantile}", value, "ms", command)

    return measure


STORED_PRESSES = 200
WARM_MS = 1000
SIM_DEAD_MS = 20_000
LOSS_UNITS, LOSS_PRESSES, LOSS = 1250, 8, 0.2
YEAR_DAYS = 365.25
YEAR_REAL_S = 1800
MESSAGE_IDS = 70_000


def press_to_stored() -> Iterator[Figure]:
    """Every condition in lock step: real firmware behind an emulated modem, the sealed receiver as the fleet."""
    for row in stored.measure_all(list(stored.CONDITIONS), STORED_PRESSES):
        name = f"press to stored, {row.condition} ({row.presses} presses, {row.dialect}, lock step): "
        command = f'python -m bench.stored --presses {row.presses} "{row.condition}"'
        yield exactly(name + "lost", row.lost, "", 0, command)
        yield told(name + "p50", row.p50_ms, "ms", command)
        if row.condition == "warm":
            yield at_most(name + "p99", row.p99_ms, "ms", WARM_MS + row.network_ms, command)
        elif row.condition.startswith("SIM 1"):
            yield at_most(name + "p99", row.p99_ms, "ms", SIM_DEAD_MS, command)
        else:
            yield told(name + "p99", row.p99_ms, "ms", command)
    yield told("the emulated network's own delay, there and back", row.network_ms, "ms", command)


def press_to_stored_for_real() -> Iterator[Figure]:
    """The same warm in real time, against the fleet server on PostgreSQL; and what the units' heaps have left."""
    result = stored_real.measure(STORED_PRESSES)
    command = f"python -m bench.stored_real --presses {STORED_PRESSES}"
    name = f"press to stored, warm ({result.presses} presses, three modems, real fleet server): "
    yield exactly(name + "lost", result.lost, "", 0, command)
    yield exactly(name + "doubled", result.doubled, "", 0, command)
    for pipe, took in result.stored_ms.items():
        yield told(f"{name}{pipe}, p50", took["p50"], "ms", command)
        yield at_most(f"{name}{pipe}, longest", took["max"], "ms", WARM_MS + result.network_ms, command)
    for kind, low in result.heap_low.items():
        yield told(f"a unit's least free heap, {kind} through the modem (code on top of 100wK)", low, "bytes", command)


def heap_in_place() -> Iterator[Figure]:
    """What whole units of every kind take of their heap of 100 kB while their code lies in flash."""
    command = "python -m bench.heap"
    for kind in heap.KINDS:
        found = heap.measure(kind)
        name = f"a unit's heap, code in flash, {kind.name}: "
        yield told(f"{name}used, words of {found.word}", found.used, "bytes", command)
        yield told(name + "used, words of 4, about", found.on_a_board, "bytes", command)
        spare = heap.LEAST_FREE
        yield Figure(name + "free", found.free, "bytes", f"at least {spare}", found.free >= spare, command)
        yield exactly(name + "resets", found.resets, "", 0, command)


def presses_under_loss() -> Iterator[Figure]:
    """Every fifth datagram lost each way; and the same with a server that does not know a press again."""
    command = f"python -m bench.loss --units {LOSS_UNITS} --presses {LOSS_PRESSES} --loss {LOSS}"
    found = loss.measure(LOSS_UNITS, LOSS_PRESSES, LOSS)
    name = f"{found.presses} presses, {LOSS:.0%} of datagrams lost each way: "
    yield exactly(name + "on the units' flash", found.journals, "", LOSS_UNITS * LOSS_PRESSES, command)
    yield exactly(name + "lost", found.lost, "", 0, command)
    yield exactly(name + "doubled", found.doubled, "", 0, command)
    yield exactly(name + "cases", found.cases, "", LOSS_UNITS, command)
    for quantile in ("p50", "p95", "max"):
        yield told(f"{name}stored, {quantile}", found.stored_ms[quantile], "ms", command)
    command = "python -m bench.loss --units 40 --presses 4 --sabotage no_key_check"
    control = loss.measure(40, 4, LOSS, sabotage="no_key_check")
    yield Figure(
        "control: doubled without the key check", control.doubled, "", "at least 1", control.doubled > 0, command
    )


def _year(kind: str) -> Callable[[], Iterator[Figure]]:
    def measure() -> Iterator[Figure]:
        command = f"python -m bench.year --days {YEAR_DAYS} --kind {kind}"
        found = year.measure(YEAR_DAYS, kind)
        name = f"a year of heartbeats every {found.interval_s} s, {kind}: "
        yield told(name + "heartbeats", found.heartbeats, "", command)
        if kind == "mains":
            enough = found.messages >= MESSAGE_IDS and found.wraps > 0
            yield Figure(name + "message ids used", found.messages, "", f"at least {MESSAGE_IDS}", enough, command)
        yield at_most(name + "longest beyond its time", found.late_s, "s", year.SPARE_S, command)
        yield at_most(name + "back after a blackout", found.back_s, "s", found.interval_s + year.BACK_S, command)
        yield exactly(name + "resets of the unit", found.resets, "", 0, command)
        yield told(name + "modem hung, power cut", f"{found.hangs}, {found.power_cuts}", "", command)
        yield told(name + "deep sleeps", found.naps, "", command)
        yield told(name + "least heap in the first week", found.heap_first, "bytes", command)
        yield at_most(name + "fell by", found.heap_first - found.heap_last, "bytes", year.LEAK_BYTES, command)
        yield at_most(name + "real time", found.real_s, "s", YEAR_REAL_S, command)
        yield Figure(name + "no stall, no leak", found.passed, "", "True", found.passed, command)

    return measure


def packet_ids() -> Iterator[Figure]:
    """MQTT packet ids beyond their end, on MicroPython with a unit's heap."""
    done = subprocess.run(
        [*interpreter(), "-X", "heapsize=100wK", "-c", PACKET_IDS.format(count=MESSAGE_IDS)],
        cwd=ROOT, env={**os.environ, "MICROPYPATH": f".frozen:{ROOT}:{ROOT / 'tests/both'}"},
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout) if done.stdout.strip() else {}
    name = f"{MESSAGE_IDS} MQTT publishes on MicroPython: "
    yield Figure(name + "wraps", found.get("wraps"), "", "at least 1", found.get("wraps", 0) > 0, "make proof")
    yield exactly(name + "ids used twice at a time", found.get("doubled"), "", 0, "make proof")
    yield exactly(name + "ids that are none", found.get("wrong"), "", 0, "make proof")
    fell = found["early"] - found["late"] if found else None
    yield at_most(name + "free heap fell by", fell, "bytes", 1024, "make proof")


MEASUREMENTS: tuple[tuple[str, Callable[[], Iterable[Figure]]], ...] = (
    ("sizes", sealed_sizes),
    ("firmware", firmware_size),
    ("heap", heap_in_place),
    ("packet-ids", packet_ids),
    ("stored", press_to_stored),
    ("stored-real", press_to_stored_for_real),
    ("loss", presses_under_loss),
    ("year-mains", _year("mains")),
    ("year-battery", _year("battery")),
    ("demo-25", demo(25)),
    ("demo-500", demo(500)),
)


def table(figures: Iterable[Figure]) -> Table:
    """All figures, one a line."""
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    result = Table(title=f"Figures measured on this machine ({machine})", title_justify="left")
    for heading, justify in (("figure", "left"), ("value", "right"), ("limit", "left"), ("", "left")):
        result.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for figure in figures:
        value = "none" if figure.value is None else f"{figure.value} {figure.unit}".rstrip()
        result.add_row(figure.name, value, figure.limit, "ok" if figure.ok else "MISSED")
    return result


def main() -> int:
    """Measures all, or what is named; prints the table or JSON. 1 where a figure missed its limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.proof", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"of: {', '.join(name for name, _ in MEASUREMENTS)}; default all")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    arguments = parser.parse_args()
    unknown = set(arguments.only) - {name for name, _ in MEASUREMENTS}
    if unknown:
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name, measure in MEASUREMENTS:
        if not arguments.only or name in arguments.only:
            sys.stderr.write(f"measuring {name}\n")
            figures += measure()
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    else:
        Console(width=110, soft_wrap=False).print(table(figures))
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    options.run(main)
