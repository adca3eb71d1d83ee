"""A real unit's code on MicroPython sends a sealed alarm through an emulated modem and gets the receipt, whatever the
modem and the network do meanwhile."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from unit_run import alarm

from sim.modem.scenario import HERE, Interrupts, Scenario, Serial, Step, load

DIALECTS = ("bg95", "sim7080g", "gm02s")
SEND = {"bg95": "AT+QISEND", "sim7080g": "AT+CASEND", "gm02s": "AT+SQNSSENDEXT"}
STORM = ('+CEREG: 1,"E485","093F9E11",7', "+CPIN: READY", '+CMTI: "SM",9', "+CREG: 1")


def calm(dialect: str, **changes: object) -> Scenario:
    return dataclasses.replace(load("calm"), dialect=dialect, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_modem_carries_an_alarm(unit: Path, tmp_path: Path, dialect: str) -> None:
    said, fleet, rig = alarm(unit, tmp_path, calm(dialect))
    assert [(one.boot, one.seq) for one in fleet.alarms] == [(fleet.alarms[0].boot, 1)]
    # The first attempt finds no path yet. That nothing is cut off in calm is shown where no machine's time is in it
    # (tests/unit/sim/test_modem_in_lockstep.py).
    assert int(said["attempts"]) >= 2
    assert said["status19"] == "860123456789012f" and said["status8"] == "8946001201234567890f"
    assert said["operator"] == "24001" and said["radio"] == "4" and said["signal"] == "-87" and rig.overruns == 0


def faults(dialect: str) -> dict[str, Scenario]:
    send = SEND[dialect]
    storm = Step("urc", on=send, lines=STORM, times=20)
    return {
        "one byte at a time": calm(dialect, serial=Serial(chunk=1)),
        "three bytes at a time, data echoed": calm(dialect, serial=Serial(chunk=3, echo_data=True)),
        "URCs between all lines": calm(dialect, interrupts=Interrupts(0.7, STORM)),
        "a storm of URCs while sending": calm(dialect, steps=(storm,)),
        "a storm, one byte at a time": calm(dialect, serial=Serial(chunk=1), steps=(storm,)),
        "hangs for a second while sending": calm(dialect, steps=(Step("hang", on=send, ms=1000),)),
        "answers late": calm(dialect, steps=(Step("stall", on="AT+CEREG=5", ms=700),)),
        "hangs for ever": calm(dialect, steps=(Step("hang", on=send),)),
        "hangs at its start": calm(dialect, steps=(Step("hang", on="ATE0"),)),
        "starts anew while sending": calm(dialect, steps=(Step("reset", on=send),)),
        "browns out while sending": calm(dialect, steps=(Step("brown_out", on=send),)),
        "path lost while sending": calm(dialect, steps=(Step("pdp_drop", on=send),)),
        "path lost in silence": calm(dialect, steps=(Step("pdp_drop", on=send, quiet=True),)),
        "no cell for a while": calm(dialect, steps=(Step("cell_loss", on=send, ms=400),)),
        "network down and up": calm(dialect, steps=(Step("network", on=send, name="own", up=False, ms=1500),)),
        "half of all datagrams lost": dataclasses.replace(
            calm(dialect), seed=3, path=dataclasses.replace(load("calm").path, loss_up=0.5, loss_down=0.5)
        ),
    }


# What depends on how a modem speaks is tried on all of them, the rest on one.
ON_ALL = (
    "one byte at a time",
    "URCs between all lines",
    "a storm, one byte at a time",
    "hangs for ever",
    "starts anew while sending",
    "path lost while sending",
    "path lost in silence",
)


@pytest.mark.parametrize(
    ("dialect", "name"),
    [(dialect, name) for dialect in DIALECTS for name in faults(dialect) if dialect == "bg95" or name in ON_ALL],
)
def test_an_alarm_survives(unit: Path, tmp_path: Path, dialect: str, name: str) -> None:
    said, fleet, rig = alarm(unit, tmp_path, faults(dialect)[name])
    assert fleet.alarms and len({(one.boot, one.seq) for one in fleet.alarms}) == 1
    if "for ever" in name or "its start" in name:
        assert int(said["cuts"]) >= 1 and rig.device.boots >= 2
    if "starts anew" in name or "browns" in name:
        assert rig.device.boots >= 2


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.toml")))
def test_an_alarm_survives_every_scenario_file(unit: Path, tmp_path: Path, name: str) -> None:
    said, fleet, _ = alarm(unit, tmp_path, load(name))
    assert len({(one.boot, one.seq) for one in fleet.alarms}) == 1 and said["stored_ms"]


def test_a_unit_that_believes_its_modem_loses_the_alarm(unit: Path, tmp_path: Path) -> None:
    """The negative control: without asking whether the path is still there, one that is gone in silence stays so, but
    for a modem that is cut off because this machine stood still and it looked hung."""
    try:
        said, _, _ = alarm(unit, tmp_path, faults("bg95")["path lost in silence"], SABOTAGE="doubt", GIVE_UP_MS="15000")
    except AssertionError as error:
        assert "gave_up" in str(error)
    else:
        assert int(said["cuts"]) > 0


def test_the_modem_costs(unit: Path, tmp_path: Path) -> None:
    """Heap and AT round trip; the emulated modem's own time for a command is 1 ms of it."""
    said, _, _ = alarm(unit, tmp_path, calm("bg95"), MEASURE="1")
    print(f"modem's code: {said['heap_code']} bytes of heap; with its state {said['heap_modem']}")
    print(f"free after an alarm: {said['heap_free']} of {said['heap_total']} bytes (words of 8; a board's are of 4)")
    print(f"AT round trip {said['round_trip_us']} us, of which the emulated modem takes 1000")
    print(f"from no power to the receipt: {said['stored_ms']} ms with the scenario's short times")
    assert int(said["heap_free"]) > 0
