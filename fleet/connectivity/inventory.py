"""The SIM cards of the municipalities. Functions work in the caller's transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleet.connectivity.calendar import TECHNOLOGIES
from fleet.connectivity.decide import SimError, checked_iccid
from fleet.connectivity.provider import SimState
from fleet.evidence.audit import record
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.connectivity")

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Sim:
    """A SIM card. ``operator`` is its home's MCC and MNC, ``cost_ore`` hundredths of a krona a month, ``technologies``
    what its plan allows and ``apn`` its access point (None: nobody has said)."""

    iccid: str
    imsi: str | None = None
    msisdn: str | None = None
    issuer: str = ""
    operator: int | None = None
    plan: str = ""
    cost_ore: int | None = None
    state: SimState = "unknown"
    imei_lock: str | None = None
    provider: int | None = None
    technologies: tuple[str, ...] | None = None
    apn: str | None = None


async def put_sim(connection: Connection, municipality: int, sim: Sim, *, actor: str, at: datetime) -> str:
    """Adds a card, or fills in what is said of a known one; returns its ICCID as it is kept.

    Raises SimError for a wrong number, or for a card of another municipality.
    """
    iccid = checked_iccid(sim.iccid)
    for name, text, shape in (
        ("IMSI", sim.imsi, r"[0-9]{14,15}"),
        ("MSISDN", sim.msisdn, r"[0-9]{7,15}"),
        ("IMEI", sim.imei_lock, r"[0-9]{14,16}"),
    ):
        if text is not None and not re.fullmatch(shape, text):
            raise SimError(f"the {name} is digits only: it has {shape[6:].strip('{}').replace(',', ' to ')} of them")
    if sim.apn is not None and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,98}[A-Za-z0-9])?", sim.apn):
        raise SimError("an APN is letters, digits, dots and hyphens, for example m2m.example")
    if sim.technologies is not None and (not sim.technologies or set(sim.technologies) - set(TECHNOLOGIES)):
        raise SimError(f"a plan allows at least one of {', '.join(TECHNOLOGIES)}")
    values = {
        "iccid": iccid, "municipality_id": municipality, "imsi": sim.imsi, "msisdn": sim.msisdn, "issuer": sim.issuer,
        "operator": sim.operator, "plan": sim.plan, "cost_ore": sim.cost_ore, "state": sim.state,
        "imei_lock": sim.imei_lock, "provider_id": sim.provider, "apn": sim.apn, "at": at,
        "technologies": None if sim.technologies is None else sorted(set(sim.technologies)),
    }  # fmt: skip
    if not await fetch_all(connection, SQL["put_sim"], values):
        raise SimError("the SIM is another municipality's: it is moved by that one")
    await record(
        connection, actor=actor, action="sim.put", municipality_id=municipality, subject=f"sim:{iccid}",
        detail={"state": sim.state, "provider": sim.provider}, at=at,
    )  # fmt: skip
    return iccid


async def sims(
    connection: Connection, *, iccid: str | None = None, issuer: str | None = None, municipality: int | None = None,
    most: int = MOST,
) -> list[dict[str, Any]]:  # fmt: skip
    """The cards, each with the unit and slot that it is registered for and the one that it was seen in."""
    values = {"iccid": iccid, "issuer": issuer, "municipality": municipality, "most": most}
    return await fetch_all(connection, SQL["sims"], values)
