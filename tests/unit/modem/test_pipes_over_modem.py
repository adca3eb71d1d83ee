"""MQTT over TLS through the modem's TCP, and one SMS each way, by a real unit's code on MicroPython."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from far_server import Fleet
from mqtt_door import MqttDoor
from unit_run import alarm

from provisioning.ca import CertificateAuthority
from sim.modem.rig import Rig
from sim.modem.scenario import Interrupts, Scenario, Serial, Step, load

DIALECTS = ("bg95", "sim7080g", "gm02s")
NOISE = Interrupts(0.5, ('+CEREG: 1,"E485","093F9E11",7', "+CPIN: READY"))


def calm(dialect: str, **changes: object) -> Scenario:
    return dataclasses.replace(load("calm"), dialect=dialect, **changes)  # type: ignore[arg-type]


class Door:
    """Opens an MQTT door for one run; `door` afterwards."""

    def __init__(self, name: str = "fleet.test", other_authority: bool = False) -> None:
        self._name = name
        self._other = other_authority

    async def __call__(self, fleet: Fleet, authority: CertificateAuthority, rig: Rig, folder: Path) -> dict[str, str]:
        if self._other:
            authority = CertificateAuthority.open(folder / "other")
        self.door = await MqttDoor(fleet, authority, folder, self._name).open()
        return {"SERVER_PORT": str(self.door.port)}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("noisy", [False, True])
def test_mqtt_over_tls_through_the_modem(unit: Path, tmp_path: Path, dialect: str, noisy: bool) -> None:
    scenario = calm(dialect)
    if noisy:
        scenario = calm(dialect, serial=Serial(chunk=7, echo_data=True), interrupts=NOISE)
    door = Door()
    said, fleet, rig = alarm(unit, tmp_path, scenario, door, WAY="mqtt")
    assert {(one.boot, one.seq) for one in fleet.alarms} == {(fleet.alarms[0].boot, 1)}
    assert door.door.connections == 1 and rig.overruns == 0
    print(f"{dialect}: {said['stored_ms']} ms from no power to the receipt, {said['heap_free']} bytes of heap free")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_mqtt_survives_a_path_that_goes_in_the_middle(unit: Path, tmp_path: Path, dialect: str) -> None:
    send = {"bg95": "AT+QISEND", "sim7080g": "AT+CASEND", "gm02s": "AT+SQNSSENDEXT"}[dialect]
    _, fleet, _ = alarm(unit, tmp_path, calm(dialect, steps=(Step("pdp_drop", on=send, count=2),)), Door(), WAY="mqtt")
    assert fleet.alarms


@pytest.mark.parametrize("door", [Door(name="other.test"), Door(other_authority=True)])
def test_a_server_that_is_not_the_fleets_gets_no_frame(unit: Path, tmp_path: Path, door: Door) -> None:
    """The negative control: TLS over the modem verifies as it does elsewhere."""
    with pytest.raises(AssertionError, match="gave_up"):
        alarm(unit, tmp_path, calm("bg95"), door, WAY="mqtt", GIVE_UP_MS="6000")
    assert door.door.connections == 0


class Gateway(list[tuple[str, bytes]]):
    """The SMS gateway: what units send becomes a receipt by SMS. `before` are messages that come first,
    in `coding`."""

    def __init__(self, before: tuple[bytes, ...] = (), answers: bool = True, coding: str = "8-bit") -> None:
        super().__init__()
        self._coding = coding
        self._before = before
        self._answers = answers

    async def __call__(self, fleet: Fleet, authority: CertificateAuthority, rig: Rig, folder: Path) -> dict[str, str]:
        self.fleet = fleet
        self.rig = rig
        rig.device.sent_sms = self
        return {}

    def append(self, message: tuple[str, bytes]) -> None:
        super().append(message)
        receipt = self.fleet.answer(message[1])
        told = [(payload, self._coding) for payload in self._before]
        for payload, coding in [*told, (receipt, "8-bit")] if self._answers else told:
            step = Step("sms", at_ms=1, payload=payload.hex(), coding=coding)
            self.rig.device.later(20, lambda s=step: self.rig.device._do_sms(s))  # type: ignore[misc]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_alarm_by_sms_and_its_receipt_back(unit: Path, tmp_path: Path, dialect: str) -> None:
    gateway = Gateway()
    said, fleet, rig = alarm(unit, tmp_path, calm(dialect), gateway, WAY="sms")
    assert [number for number, _ in gateway] == ["46700000000"] and len(gateway[0][1]) <= 140
    assert len(fleet.alarms) == 1 and not rig.device.inbox
    assert "frame" in said["heard"]


@pytest.mark.parametrize("coding", ["8-bit", "7-bit"])
def test_an_sms_that_is_no_frame_only_wakes_and_the_receipt_behind_it_counts(
    unit: Path, tmp_path: Path, coding: str
) -> None:
    forged = bytes([0x83]) + bytes(40)
    gateway = Gateway(before=(b"OPEN THE DOOR", *((forged, b"x" * 140) if coding == "8-bit" else ())), coding=coding)
    said, _, rig = alarm(unit, tmp_path, calm("bg95"), gateway, WAY="sms")
    assert "wake" in said["heard"] and "frame" in said["heard"]
    assert not rig.device.inbox


def test_without_a_receipt_by_sms_the_alarm_stays_open(unit: Path, tmp_path: Path) -> None:
    """The negative control: that the network has taken an SMS says nothing."""
    with pytest.raises(AssertionError, match="gave_up"):
        alarm(unit, tmp_path, calm("bg95"), Gateway(answers=False), WAY="sms", GIVE_UP_MS="5000")
