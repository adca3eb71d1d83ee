"""The way to each centre by its protocol, with its options and its secret. It decides which link, never an outcome.

A centre whose configuration cannot be used is one that does not answer: its alarms go to the other one, and the log
says what is wrong.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fleet.clock import Clock, pause
from fleet.forwarding.centre_options import PING_LEVELS, OptionError, check_secret, settle
from fleet.forwarding.centre_secrets import CentreSecrets, Kept
from fleet.forwarding.centre_tls import client_context
from fleet.forwarding.dc09_client import ClockOffset
from fleet.forwarding.dc09_client import Way as Dc09Way
from fleet.forwarding.link_dc09 import Dc09Link
from fleet.forwarding.link_jsonl import Bounds, JsonLinesLink
from fleet.forwarding.link_scaip import ScaipLink
from fleet.forwarding.link_sos_access import Naming, SosAccessLink
from fleet.forwarding.link_webhook import WebhookLink
from fleet.forwarding.model import Centre, Outcome, Owed
from fleet.forwarding.scaip_client import ScaipClient
from fleet.forwarding.sos_access_account import KeptPassword, PingTimes, Secrets
from fleet.forwarding.sos_access_client import Way as SosAccessWay
from fleet.forwarding.worker import CentreLink, said_by
from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.store.borrow import AWAY
from fleet.store.pool import Pool, make_pool
from protocols.centre.scaip.sip_digest import Credentials
from protocols.centre.sia_dc09.cipher import Key

log = logging.getLogger("livlina.forwarding")

AGAIN_S = 1.0

CID_FORMS = {"decimal10": "010d", "decimal": "d", "hex8": "08X"}


@dataclass(slots=True)
class Standing:
    """What a process knows of a centre besides its configuration: shared by all its links to it."""

    offset: ClockOffset = field(default_factory=ClockOffset)
    pings: PingTimes | None = None
    password: KeptPassword | None = None


def link_to(
    centre: Centre, kept: Kept, clock: Clock, *, standing: Standing | None = None, secrets: Secrets | None = None
) -> CentreLink:
    """The link of a centre. ``secrets`` keeps a password that changes (sos_access); nothing is opened.

    Raises ValueError (mostly OptionError) for a configuration that cannot be used; it never holds a secret.
    """
    options = settle(centre.protocol, centre.options)
    check_secret(centre.protocol, options, kept.secret)
    standing = standing or Standing()
    match centre.protocol:
        case "dc09":
            return _dc09(centre, options, kept, clock, standing)
        case "scaip":
            return _scaip(centre, options, kept, clock)
        case "sos_access":
            return _sos_access(centre, options, kept, clock, standing, secrets)
        case "webhook":
            if options["url"] is None:
                raise OptionError("webhook: it has no URL")
            return WebhookLink(options["url"], kept.secret or "", clock, tls=client_context(options["ca"]))
        case "jsonl":
            if options["file"] is None:
                raise OptionError("jsonl: it has no file")
            bounds = Bounds(options["keep_days"], options["max_mb"] << 20)
            return JsonLinesLink(Path(options["file"]), clock, bounds)
    raise OptionError(f"there is no way to a centre of protocol {centre.protocol[:40]!a}")


def _dc09(centre: Centre, options: dict[str, Any], kept: Kept, clock: Clock, standing: Standing) -> Dc09Link:
    pin = _pin(options)
    tls = client_context(options["ca"], pin) if options["transport"] == "tls" else None
    return Dc09Link(
        centre.host, centre.port, clock,
        probe_account=options["probe_account"], form=options["form"], utf8=options["utf8"],
        key=None if kept.secret is None else Key.from_hex(kept.secret), offset=standing.offset,
        way=Dc09Way(centre.host, centre.port, options["transport"], tls, options["tls_name"], pin),
    )  # fmt: skip


def _scaip(centre: Centre, options: dict[str, Any], kept: Kept, clock: Clock) -> ScaipLink:
    form = CID_FORMS[options["cid"]]
    client = ScaipClient(
        centre.host, centre.port,
        transport=options["transport"], user=options["user"], domain=options["domain"],
        credentials=None if kept.secret is None else Credentials(options["username"], kept.secret),
        tls=client_context(options["ca"]) if options["transport"] == "tls" else None,
        tls_name=options["tls_name"], clock=clock,
    )  # fmt: skip
    return ScaipLink(client, cid_of=lambda unit: format(unit, form), probe_cid=options["probe_cid"])


def _sos_access(
    centre: Centre, options: dict[str, Any], kept: Kept, clock: Clock, standing: Standing, secrets: Secrets | None
) -> SosAccessLink:
    if secrets is None:
        raise OptionError("sos_access: there is no place to keep its password")
    standing.password = standing.password or KeptPassword(centre.centre, secrets, kept)
    standing.pings = standing.pings or PingTimes(PING_LEVELS[options["ping_level"]])
    pin = _pin(options)
    tls = client_context(options["ca"], pin) if options["transport"] == "tls" else None
    return SosAccessLink(
        SosAccessWay(centre.host, centre.port, tls, options["tls_name"], pin), standing.password, standing.pings,
        naming=Naming(options["transmitter"], options["probe_transmitter"], options["type"], options["receiver"]),
        clock=clock, zone=ZoneInfo(options["zone"]), rotate_days=options["rotate_days"],
    )  # fmt: skip


def _pin(options: dict[str, Any]) -> bytes | None:
    return None if options["pin"] is None else bytes.fromhex(options["pin"])


class Links:
    """Makes links for forwarding. Secrets are read when a link is first used, in a connection of its own."""

    def __init__(self, database_url: str, box: SecretBox, clock: Clock) -> None:
        self._pool: Pool = make_pool(database_url, "forward", size=1, name="centre-secrets")
        self._secrets = CentreSecrets(self._pool, box, clock)
        self._clock = clock
        self._standings: dict[int, tuple[Centre, Standing]] = {}

    async def start(self) -> None:
        """Opens the way to the secrets; a database that is away is waited for when they are read."""
        await self._pool.open()

    async def stop(self) -> None:
        """Closes it."""
        await self._pool.close()

    def link_to(self, centre: Centre) -> CentreLink:
        """For `Forwarding`: opens nothing and never raises."""
        return _LateLink(centre, self)

    async def open(self, centre: Centre) -> CentreLink:
        """The link with the centre's present secret. Raises one of AWAY, SecretBoxError or ValueError."""
        kept = await self._secrets.read(centre.centre)
        known = self._standings.get(centre.centre)
        if known is None or known[0] != centre:
            known = self._standings[centre.centre] = (centre, Standing())
        return link_to(centre, kept, self._clock, standing=known[1], secrets=self._secrets)

    async def again(self) -> None:
        """The pause before the database is asked once more."""
        await pause(self._clock, AGAIN_S)


class _LateLink:
    """A centre's link, made at its first use, for only then may the secrets be asked for."""

    def __init__(self, centre: Centre, links: Links) -> None:
        self._centre = centre
        self._links = links
        self._link: CentreLink | None = None
        self._why = ""

    @property
    def said(self) -> str:
        """What the centre said last, in its own code, or why nothing can be said to it."""
        return self._why if self._link is None else said_by(self._link)

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt. Raises one of AWAY where the secret cannot be read: that is no fault of the centre's."""
        link = await self._opened()
        if link is None:
            return Outcome.UNUSABLE
        try:
            return await link.deliver(owed)
        except ValueError:
            # What an encoder cannot say must not end the work of all other alarms: the minimal form and the other
            # centre are tried, and a person sees that it was refused.
            log.critical("centre %s: %s cannot be written", self._centre.name, owed.key.reference, exc_info=True)
            return Outcome.REFUSED

    async def probe(self) -> Outcome:
        """Whether the centre answers. Waits while the secret cannot be read, for that says nothing of the centre."""
        while True:
            try:
                link = await self._opened()
                break
            except AWAY:
                await self._links.again()
        if link is None:
            return Outcome.UNUSABLE
        try:
            return await link.probe()
        except ValueError:
            log.critical("centre %s: a probe cannot be written", self._centre.name, exc_info=True)
            return Outcome.NO_ANSWER

    async def close(self) -> None:
        """Hangs up."""
        if self._link is not None:
            await self._link.close()

    async def _opened(self) -> CentreLink | None:
        if self._link is None:
            try:
                self._link = await self._links.open(self._centre)
            except (SecretBoxError, ValueError) as error:
                self._why = str(error)
                log.critical("centre %s cannot be told anything: %s", self._centre.name, error)
        return self._link
