"""Who a unit is, and the files that make a flash folder that unit.

Files (the firmware reads them; integers are map keys):
    identity.cbor   {1: unit number, 2: key generation, 3: master secret (16 bytes)}
    config.cbor     {1: profile code, 2: heartbeat interval (s), 3: [pipe names, best first],
                     4: [[host, port] of each CoAP address], 5: [host, port, TLS name] of MQTT, absent without MQTT,
                     6 to 13: what `Extras` holds, absent where it is the profile's own}
    ca.der cert.der key.der   what the unit trusts and what it shows
    counters        {1: 0, 2: 0}

All are mode 0600. This module never keeps a copy of a secret and never logs one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict, Unpack

from protocols.wire import cbor
from provisioning.ca import UnitCertificate
from provisioning.files import create_private, replace

SECRET_BYTES = 16
PIPES = ("coap", "mqtt")
MAX_HEARTBEAT_S = 604_800  # a week; the firmware refuses more


DIALECTS = ("bg95", "sim7080g", "gm02s")
PENDANT_KEY_BYTES = 16
MOST_PENDANTS = 16
LONGEST_HOLD_MS = 29_999
LONGEST_CANCEL_MS = 60_000
LONGEST_SSID = 32
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 63


class IdentityError(Exception):
    """An identity or a configuration that no unit may get; nothing of the identity was written."""


@dataclass(frozen=True)
class Identity:
    """A unit's number (1..2^32-1), its key generation (0..255) and its 16-byte master secret (never shown)."""

    unit: int
    generation: int
    secret16: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.unit < 1 << 32:
            raise IdentityError(f"a unit number is 1 to {(1 << 32) - 1}, not {self.unit}")
        if not 0 <= self.generation <= 255:
            raise IdentityError(f"a key generation is 0 to 255, not {self.generation}")
        if len(self.secret16) != SECRET_BYTES:
            raise IdentityError(f"a master secret is {SECRET_BYTES} bytes, not {len(self.secret16)}")


@dataclass(frozen=True)
class Extras:
    """What a configuration may say besides pipes and heartbeat; an absent one is the profile's own.

    `pendants`: (input 1..255, id, 16-byte key (never shown), seconds between its reports 60..604800); `timings`:
    (input, hold ms, cancel window ms); `silent`: a personal unit shows nothing; `off_duty_s`: heartbeat interval off
    duty; `modem`: (dialect, access point, 1 or 2 cards), which then carries CoAP and MQTT; `sms_number`: the fleet's,
    for the last resort; `own_network`: ("wlan", name, password (never shown)) or ("lan",) of the board's own network,
    which beside a modem carries MQTT and races it with CoAP; `modem_first`: heartbeats prefer the modem then.
    """

    pendants: Sequence[tuple[int, int, bytes, int]] = field(default=(), repr=False)
    timings: Sequence[tuple[int, int, int]] = ()
    silent: bool | None = None
    off_duty_s: int | None = None
    modem: tuple[str, str, int] | None = None
    sms_number: str | None = None
    own_network: Sequence[str] | None = field(default=None, repr=False)
    modem_first: bool = False

    def __post_init__(self) -> None:
        inputs = [row[0] for row in self.pendants]
        ids = [row[1] for row in self.pendants]
        if len(self.pendants) > MOST_PENDANTS or len(set(inputs)) != len(inputs) or len(set(ids)) != len(ids):
            raise IdentityError(f"a unit has at most {MOST_PENDANTS} pendants, each with an input and an id of its own")
        for number, ident, key, every in self.pendants:
            if not 1 <= number <= 255 or not 0 < ident < 1 << 32 or not 60 <= every <= MAX_HEARTBEAT_S:
                raise IdentityError(
                    f"pendant {ident} on input {number}: inputs are 1 to 255, ids above 0, reports every 60 s to a week"
                )
            if len(key) != PENDANT_KEY_BYTES:
                raise IdentityError(f"the key of pendant {ident} is {len(key)} bytes, not {PENDANT_KEY_BYTES}")
        for number, hold, cancel in self.timings:
            if number < 0 or not 0 <= hold <= LONGEST_HOLD_MS or not 0 <= cancel <= LONGEST_CANCEL_MS:
                raise IdentityError(
                    f"input {number}: it is held for 0 to {LONGEST_HOLD_MS} ms and cancelled within 0 to "
                    f"{LONGEST_CANCEL_MS} ms"
                )
        if self.off_duty_s is not None and not 0 < self.off_duty_s <= MAX_HEARTBEAT_S:
            raise IdentityError(f"a heartbeat interval is 1 to {MAX_HEARTBEAT_S} s, not {self.off_duty_s}")
        if self.modem is not None and (self.modem[0] not in DIALECTS or self.modem[2] not in (1, 2)):
            raise IdentityError(f"a modem is one of {', '.join(DIALECTS)}, with 1 or 2 cards; not {self.modem}")
        if self.sms_number is not None and (self.modem is None or not self.sms_number.lstrip("+").isdecimal()):
            raise IdentityError("an SMS number is digits, perhaps behind a +, and needs a modem")
        own = self.own_network
        if own is not None and tuple(own) != ("lan",) and not _is_wlan(own):
            raise IdentityError(
                f"a board's own network is a cable, or Wi-Fi: a name of at most {LONGEST_SSID} bytes and a password of "
                f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD}, or an empty one"
            )
        if self.modem_first and (own is None or self.modem is None):
            raise IdentityError("a modem goes first where the unit has both, a modem and a network of its own")

    def go_with(self, pipes: Sequence[str]) -> None:
        """Raises IdentityError where a unit with two radios cannot have these pipes."""
        if self.modem is None or self.own_network is None:
            return
        if "coap" not in pipes:
            raise IdentityError(
                "a unit with a modem and a network of its own needs the coap pipe: mqtt is one connection"
            )
        if "mqtt" in pipes and self.pendants:
            raise IdentityError(
                "a hub with a modem and a network of its own has room for pendants or for mqtt, not both"
            )

    def fields(self) -> dict[int, object]:
        """The pairs of config.cbor."""
        found: dict[int, object] = {}
        if self.pendants:
            found[6] = [list(row) for row in self.pendants]
        if self.timings:
            found[7] = [list(row) for row in self.timings]
        if self.silent is not None:
            found[8] = self.silent
        if self.off_duty_s is not None:
            found[9] = self.off_duty_s
        if self.modem is not None:
            found[10] = list(self.modem)
        if self.sms_number is not None:
            found[11] = self.sms_number
        if self.own_network is not None:
            found[12] = list(self.own_network)
        if self.modem_first:
            found[13] = True
        return found


class Configuration(TypedDict):
    """What a unit is told about itself and about where the server is. `pipes` are names, best first."""

    profile: int
    heartbeat_s: int
    pipes: Sequence[str]
    coap_addresses: NotRequired[Sequence[tuple[str, int]]]
    mqtt_address: NotRequired[tuple[str, int, str] | None]
    extras: NotRequired[Extras | None]


def _is_wlan(own: Sequence[str]) -> bool:
    """Whether a Wi-Fi radio takes this name and password (IEEE 802.11: an SSID's octets; WPA's pass phrase)."""
    return (
        len(own) == 3
        and own[0] == "wlan"
        and 0 < len(own[1].encode()) <= LONGEST_SSID
        and (not own[2] or SHORTEST_PASSWORD <= len(own[2].encode()) <= LONGEST_PASSWORD)
    )


def make_identity(unit: int, generation: int = 1) -> Identity:
    """A new identity with a fresh random master secret."""
    return Identity(unit, generation, secrets.token_bytes(SECRET_BYTES))


def unit_files(
    identity: Identity,
    unit_certificate: UnitCertificate,
    ca_der: bytes,
    **configuration: Unpack[Configuration],
) -> dict[str, bytes]:
    """The files of a new unit, by name; nothing is written. Raises IdentityError if a pipe has no address."""
    config = config_fields(**configuration)
    return {
        "identity.cbor": cbor.encode({1: identity.unit, 2: identity.generation, 3: identity.secret16}),
        "config.cbor": cbor.encode(config),
        "ca.der": ca_der,
        "cert.der": unit_certificate.cert_der,
        "key.der": unit_certificate.key_der,
        "counters": cbor.encode({1: 0, 2: 0}),
    }


def write_flash(
    folder: Path,
    identity: Identity,
    unit_certificate: UnitCertificate,
    ca_der: bytes,
    *,
    overwrite: bool = False,
    **configuration: Unpack[Configuration],
) -> None:
    """Make `folder` (created if missing) the flash of this unit.

    Raises IdentityError if the folder already holds an identity and `overwrite` is not set, or if a pipe has no
    address.

    With `overwrite`, counters start again only when the unit is another one: the same key with counters from 0 would
    use nonces twice, and a boot number that comes again would make a press look like an old one. For the same reason
    the identity goes down before the counters; a cut between the two leaves a unit without counters, which takes a
    fresh kid context.
    """
    files = unit_files(identity, unit_certificate, ca_der, **configuration)
    path = folder / "identity.cbor"
    content = files[path.name]
    held = path.read_bytes() if path.exists() else None
    if held is not None and not overwrite:
        raise IdentityError(f"{folder} already holds a unit's identity; name another folder, or ask to overwrite it")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("ca.der", "cert.der", "key.der", "config.cbor"):
        replace(folder / name, files[name], mode=0o600)
    if held == content:
        return
    if overwrite:
        replace(path, content, mode=0o600)
    else:
        try:
            create_private(path, content)
        except FileExistsError:
            raise IdentityError(f"{folder} got another identity meanwhile; check who else writes there") from None
    if held is not None and (folder / "counters").exists() and _unit_of(held) == identity.unit:
        return
    replace(folder / "counters", files["counters"], mode=0o600)


def unit_in(folder: Path) -> int:
    """The number of the unit whose flash this folder is. Raises IdentityError where it is none."""
    return _held(folder)[0]


def renew_identity(folder: Path, identity: Identity) -> None:
    """Give the unit whose flash this folder is its next key generation. Everything else stays, and so do its counters:
    the number of its boot is part of every press's key, and one that came again would be taken for an old press.

    Raises IdentityError for a folder of another unit, a generation that is not above the unit's present one, or the
    same secret.
    """
    unit, generation, secret = _held(folder)
    if unit != identity.unit:
        raise IdentityError(f"{folder} is the flash of unit {unit}, not of {identity.unit}; nothing was written")
    if identity.generation <= generation or secrets.compare_digest(identity.secret16, secret):
        raise IdentityError(
            f"the unit has generation {generation}: generation {identity.generation} is no next one, or holds the "
            "secret that it has; nothing was written"
        )
    content = cbor.encode({1: identity.unit, 2: identity.generation, 3: identity.secret16})
    replace(folder / "identity.cbor", content, mode=0o600)


def _unit_of(content: bytes) -> int | None:
    try:
        return int(cbor.decode(content)[1])
    except (cbor.CborError, KeyError, TypeError, ValueError):
        return None


def _held(folder: Path) -> tuple[int, int, bytes]:
    try:
        held = cbor.decode((folder / "identity.cbor").read_bytes())
        return int(held[1]), int(held[2]), bytes(held[3])
    except FileNotFoundError:
        raise IdentityError(f"{folder} holds no unit's identity: name the folder that is its flash") from None
    except (OSError, cbor.CborError, KeyError, TypeError, ValueError):
        raise IdentityError(f"identity.cbor in {folder} cannot be read: provision the unit anew") from None


def write_config(folder: Path, **configuration: Unpack[Configuration]) -> None:
    """Give a unit that has its identity another configuration, for example when the server has moved.

    Identity, keys and counters stay. Raises IdentityError if the folder holds no identity or the configuration is
    incomplete. A running unit reads it at its next start.
    """
    if not (folder / "identity.cbor").exists():
        raise IdentityError(f"{folder} holds no unit's identity; make one with write_flash")
    config = config_fields(**configuration)
    replace(folder / "config.cbor", cbor.encode(config), mode=0o600)


def config_fields(
    *,
    profile: int,
    heartbeat_s: int,
    pipes: Sequence[str],
    coap_addresses: Sequence[tuple[str, int]] = (),
    mqtt_address: tuple[str, int, str] | None = None,
    extras: Extras | None = None,
) -> dict[int, object]:
    """The pairs of config.cbor. Raises IdentityError for what no unit may get or the firmware would refuse."""
    extras = extras or Extras()
    if not pipes or any(pipe not in PIPES for pipe in pipes) or len(set(pipes)) != len(pipes):
        raise IdentityError(f"pipes are one or more of {', '.join(PIPES)}, each once; not {list(pipes)}")
    if "coap" in pipes and not coap_addresses:
        raise IdentityError("the coap pipe needs at least one address (host, port)")
    if "mqtt" in pipes and mqtt_address is None:
        raise IdentityError("the mqtt pipe needs an address (host, port, TLS name)")
    extras.go_with(pipes)
    if not 0 < heartbeat_s <= MAX_HEARTBEAT_S:
        raise IdentityError(f"a heartbeat interval is 1 to {MAX_HEARTBEAT_S} s, not {heartbeat_s}")
    for host, port in [*coap_addresses, *([] if mqtt_address is None else [mqtt_address[:2]])]:
        if not host or not 0 < port < 1 << 16:
            raise IdentityError(f"({host!r}, {port}) is no address: it needs a host and a port from 1 to 65535")
    if mqtt_address is not None and not mqtt_address[2]:
        raise IdentityError("an mqtt address needs the TLS name in the server's certificate; it is no address without")
    config: dict[int, object] = {
        1: profile,
        2: heartbeat_s,
        3: list(pipes),
        4: [[host, port] for host, port in coap_addresses],
    }
    if mqtt_address is not None:
        config[5] = list(mqtt_address)
    return config | extras.fields()
