"""A provisioned flash folder: read by the firmware's own code on MicroPython, and safe to write twice."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware.core import profiles
from firmware.ports.flash import Flash
from firmware.ports.identity import Config
from protocols.wire import cbor
from provisioning.ca import CertificateAuthority, UnitCertificate
from provisioning.identity import (
    Extras,
    Identity,
    IdentityError,
    make_identity,
    renew_identity,
    unit_in,
    write_config,
    write_flash,
)

ROOT = Path(__file__).parents[3]
READER = Path(__file__).with_name("read_flash.py")
MICROPYTHON = os.environ.get("MICROPYTHON", str(Path(sys.executable).with_name("micropython")))
CERTIFICATE = UnitCertificate(b"certificate", b"key", b"", 1)
BOTH: dict[str, Any] = {
    "profile": 3,
    "heartbeat_s": 60,
    "pipes": ["mqtt", "coap"],
    "coap_addresses": [("192.0.2.1", 5683), ("192.0.2.2", 5683)],
    "mqtt_address": ("192.0.2.1", 8883, "fleet.example.org"),
}
MORE: dict[str, Any] = {
    "pendants": [(1, 7001, bytes(range(16)), 3600)],
    "timings": [(0, 500, 0), (1, 0, 8000)],
    "off_duty_s": 14400,
    "modem": ("bg95", "access.point", 2),
    "sms_number": "+46700000000",
}


def _said(configuration: dict[str, Any]) -> dict[str, Any]:
    """The same as `write_flash` takes it: what `Extras` holds goes there."""
    return {name: value for name, value in configuration.items() if name in BOTH} | {
        "extras": Extras(**{name: value for name, value in configuration.items() if name not in BOTH})
    }


def test_the_firmware_reads_what_provisioning_wrote(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path / "authority")
    identity = make_identity(42, 7)
    certificate = authority.issue_unit(42)
    flash = tmp_path / "flash"
    write_flash(flash, identity, certificate, authority.ca_der, **BOTH)
    said = subprocess.run(
        [MICROPYTHON, str(READER), str(ROOT), str(flash)], capture_output=True, text=True, timeout=400, check=True
    ).stdout.splitlines()
    assert said == [
        f"42 7 {identity.secret16.hex()}",
        "3 60 ['mqtt', 'coap'] [('192.0.2.1', 5683), ('192.0.2.2', 5683)] ('192.0.2.1', 8883, 'fleet.example.org')",
        "False 1 0",
    ]
    assert (flash / "cert.der").read_bytes() == certificate.cert_der
    assert (flash / "key.der").read_bytes() == certificate.key_der
    assert (flash / "ca.der").read_bytes() == authority.ca_der


def test_the_files_are_as_the_contract_says(tmp_path: Path) -> None:
    identity = make_identity(42)
    old = os.umask(0)
    try:
        write_flash(
            tmp_path / "f",
            identity,
            CERTIFICATE,
            b"ca",
            profile=1,
            heartbeat_s=30,
            pipes=["coap"],
            coap_addresses=[("h", 1)],
        )
    finally:
        os.umask(old)
    names = {"identity.cbor", "config.cbor", "ca.der", "cert.der", "key.der", "counters"}
    assert {path.name for path in (tmp_path / "f").iterdir()} == names
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "f").iterdir()} == {0o600}
    assert cbor.decode((tmp_path / "f/identity.cbor").read_bytes()) == {1: 42, 2: 1, 3: identity.secret16}
    assert cbor.decode((tmp_path / "f/config.cbor").read_bytes()) == {1: 1, 2: 30, 3: ["coap"], 4: [["h", 1]]}
    assert cbor.decode((tmp_path / "f/counters").read_bytes()) == {1: 0, 2: 0}


def test_an_identity_is_never_overwritten_unless_told(tmp_path: Path) -> None:
    first, second = make_identity(42), make_identity(42, 2)
    write_flash(tmp_path, first, CERTIFICATE, b"ca", **BOTH)
    before = _contents(tmp_path)
    with pytest.raises(IdentityError, match="already holds"):
        write_flash(tmp_path, second, CERTIFICATE, b"other ca", **BOTH)
    assert _contents(tmp_path) == before
    write_flash(tmp_path, second, CERTIFICATE, b"ca", **BOTH, overwrite=True)
    assert cbor.decode((tmp_path / "identity.cbor").read_bytes())[3] == second.secret16


def test_counters_start_again_only_in_another_unit(tmp_path: Path) -> None:
    identity = make_identity(42)
    write_flash(tmp_path, identity, CERTIFICATE, b"ca", **BOTH)
    used = cbor.encode({1: 640, 2: 9})
    (tmp_path / "counters").write_bytes(used)
    write_flash(tmp_path, identity, CERTIFICATE, b"new ca", **BOTH, overwrite=True)
    assert (tmp_path / "ca.der").read_bytes() == b"new ca"
    assert (tmp_path / "counters").read_bytes() == used
    write_flash(tmp_path, make_identity(42, 2), CERTIFICATE, b"ca", **BOTH, overwrite=True)
    assert (tmp_path / "counters").read_bytes() == used, "a boot number that comes again makes a press look old"
    write_flash(tmp_path, make_identity(43), CERTIFICATE, b"ca", **BOTH, overwrite=True)
    assert cbor.decode((tmp_path / "counters").read_bytes()) == {1: 0, 2: 0}


def test_new_keys_leave_everything_else_as_it_is(tmp_path: Path) -> None:
    write_flash(tmp_path, make_identity(42), CERTIFICATE, b"ca", **BOTH)
    (tmp_path / "counters").write_bytes(cbor.encode({1: 640, 2: 9}))
    before = _contents(tmp_path)
    renewed = make_identity(42, 2)
    renew_identity(tmp_path, renewed)
    after = _contents(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"identity.cbor"}
    assert cbor.decode(after["identity.cbor"]) == {1: 42, 2: 2, 3: renewed.secret16}
    for wrong, words in (
        (make_identity(43, 3), "flash of unit 42"),
        (make_identity(42, 2), "no next one"),
        (Identity(42, 3, renewed.secret16), "the secret that it has"),
    ):
        with pytest.raises(IdentityError, match=words):
            renew_identity(tmp_path, wrong)
    assert _contents(tmp_path) == after
    with pytest.raises(IdentityError, match="holds no unit"):
        renew_identity(tmp_path / "empty", renewed)
    (tmp_path / "identity.cbor").write_bytes(b"\xff")
    with pytest.raises(IdentityError, match="provision the unit anew"):
        unit_in(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pipes": []}, "pipes are one or more"),
        ({"pipes": ["sms"]}, "pipes are one or more"),
        ({"pipes": ["coap", "coap"]}, "each once"),
        ({"coap_addresses": []}, "coap pipe needs"),
        ({"mqtt_address": None}, "mqtt pipe needs"),
        ({"heartbeat_s": 0}, "heartbeat interval"),
        ({"heartbeat_s": 604_801}, "heartbeat interval"),
        ({"coap_addresses": [("", 5683)]}, "is no address"),
        ({"coap_addresses": [("h", 65536)]}, "is no address"),
        ({"mqtt_address": ("h", 8883, "")}, "is no address"),
        ({"pendants": [(0, 1, bytes(16), 60)]}, "inputs are 1 to 255"),
        ({"pendants": [(1, 1, bytes(16), 59)]}, "every 60 s"),
        ({"pendants": [(1, 1, bytes(15), 60)]}, "15 bytes, not 16"),
        ({"pendants": [(1, 1, bytes(16), 60), (1, 2, bytes(16), 60)]}, "an input and an id of its own"),
        ({"pendants": [(n, n, bytes(16), 60) for n in range(1, 18)]}, "at most 16 pendants"),
        ({"timings": [(0, 30_000, 0)]}, "held for 0 to 29999"),
        ({"timings": [(0, 0, 60_001)]}, "cancelled within"),
        ({"off_duty_s": 0}, "heartbeat interval"),
        ({"modem": ("sim800", "a", 1)}, "a modem is one of"),
        ({"modem": ("bg95", "a", 3)}, "1 or 2 cards"),
        ({"sms_number": "+461"}, "needs a modem"),
        ({"sms_number": "call me", "modem": ("bg95", "a", 1)}, "is digits"),
        ({"own_network": ("wlan", "", "")}, "own network is"),
        ({"own_network": ("wlan", "n" * 33, "")}, "at most 32 bytes"),
        ({"own_network": ("wlan", "name", "short")}, "8 to 63"),
        ({"own_network": ("lan", "name")}, "own network is"),
        ({"own_network": ("lan",), "modem_first": True}, "has both"),
        ({"own_network": ("lan",), "modem": ("bg95", "a", 1), "pipes": ["mqtt"]}, "needs the coap pipe"),
        (
            {"own_network": ("lan",), "modem": ("bg95", "a", 1), "pendants": [(1, 1, bytes(16), 60)]},
            "pendants or for mqtt",
        ),
    ],
)
def test_a_configuration_that_the_firmware_would_refuse_is_refused_here(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(IdentityError, match=words):
        write_flash(tmp_path / "f", make_identity(42), CERTIFICATE, b"ca", **_said(BOTH | change))
    assert not (tmp_path / "f").exists()


def test_what_a_configuration_may_say_besides_reaches_the_firmware_without_a_fault(tmp_path: Path) -> None:
    write_flash(tmp_path / "f", make_identity(42), CERTIFICATE, b"ca", **BOTH)
    write_config(tmp_path / "f", **_said(BOTH | MORE | {"profile": 1, "off_duty_s": None}))
    fields = cbor.decode((tmp_path / "f/config.cbor").read_bytes())
    assert isinstance(fields, dict)
    assert {key: fields[key] for key in (6, 7, 10, 11)} == {
        6: [[1, 7001, bytes(range(16)), 3600]], 7: [[0, 500, 0], [1, 0, 8000]], 10: ["bg95", "access.point", 2],
        11: "+46700000000",
    }  # fmt: skip
    assert 8 not in fields and 9 not in fields
    setup = profiles.read(fields)
    assert setup.faults == []
    assert [(one.code, one.hold, one.cancel) for one in setup.inputs] == [(0, 500, 0), (1, 0, 8000)]
    write_config(tmp_path / "f", **_said(BOTH | {"profile": 2, "silent": True, "off_duty_s": 14400}))
    setup = profiles.read(cbor.decode((tmp_path / "f/config.cbor").read_bytes()))
    assert setup.silent and setup.off_duty == 14400 and setup.faults == []
    assert repr(Extras(MORE["pendants"])).count("7001") == 0, "a key is never shown"


def test_a_network_of_its_own_reaches_the_firmware_and_its_password_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ("wlan", "the building's", "very secret")
    assert "secret" not in repr(Extras(own_network=own))
    more = Extras(modem=("bg95", "a", 1), own_network=own, modem_first=True)
    write_flash(tmp_path / "f", make_identity(42), CERTIFICATE, b"ca", **BOTH, extras=more)
    monkeypatch.chdir(tmp_path / "f")
    read = Config(Flash())
    assert (read.own, read.modem_first, read.faults) == (list(own), True, [])
    assert (tmp_path / "f/config.cbor").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("pairs", "faults", "pipes"),
    [
        ({12: ["wlan", ""]}, [(12, "no network")], ["coap"]),
        ({12: ["wlan", "n", 7]}, [(12, "no network")], ["coap"]),
        ({12: "wlan"}, [(12, "no network")], ["coap"]),
        ({13: 2}, [(13, "no order of radios")], ["coap"]),
        ({12: ["lan"], 3: ["mqtt"]}, [(12, "a modem beside it needs CoAP")], ["mqtt"]),
        ({12: ["lan"], 3: ["mqtt", "coap"], 6: [[1]]}, [(5, "no room beside two radios and pendants")], ["coap"]),
        ({12: ["lan"], 3: ["mqtt", "coap"]}, [], ["mqtt", "coap"]),
    ],
)
def test_a_configuration_of_two_radios_that_is_wrong_is_told_and_leaves_a_way(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pairs: dict[int, Any],
    faults: list[tuple[int, str]],
    pipes: list[str],
) -> None:
    usual = {1: 1, 2: 60, 3: ["coap"], 4: [["h", 1]], 5: ["h", 2, "n"], 10: ["bg95", "a", 1]}
    (tmp_path / "config.cbor").write_bytes(cbor.encode(usual | pairs))
    monkeypatch.chdir(tmp_path)
    read = Config(Flash())
    assert (read.faults, read.pipes) == (faults, pipes)


@pytest.mark.parametrize(("unit", "generation"), [(0, 1), (1 << 32, 1), (1, -1), (1, 256)])
def test_an_identity_outside_its_ranges_is_refused(unit: int, generation: int) -> None:
    with pytest.raises(IdentityError):
        make_identity(unit, generation)


def test_secrets_differ_and_are_never_shown() -> None:
    made = [make_identity(42) for _ in range(20)]
    assert len({one.secret16 for one in made}) == 20
    assert "secret16" not in repr(made[0])
    with pytest.raises(IdentityError, match="16 bytes"):
        Identity(42, 1, b"short")


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
