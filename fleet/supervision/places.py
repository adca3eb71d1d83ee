"""What a unit shares with others, out of what it and the registry say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fleet.supervision.model import Place, Spare

SHARED_RADIO: Final[dict[int, str]] = {24007: "Net4Mobility", 24008: "Net4Mobility", 24024: "Net4Mobility"}
"""Operators (MCC and MNC as a number) on one radio network: Tele2 and Telenor for GSM and LTE. Others stand alone."""

_SIM_1, _SIM_2 = 3, 4
_WITHOUT_SIM: Final = {1: "Wi-Fi", 2: "Ethernet"}


def place_of(row: Mapping[str, Any]) -> Place:
    """The place of a unit by a row of its state (operator, bearer, tac, version, transport), its SIMs' issuers, APNs,
    and its district. What is unknown stays empty and makes no cohort."""
    bearer, operator = row["bearer"], row["operator"]
    district = f"{row['municipality_id']}: {row['district']}" if row["district"] else ""
    shared = {"firmware": row["version"] or "", "district": district, "link": row["transport"] or ""}
    if bearer in _WITHOUT_SIM or not operator:
        return Place(operator=_WITHOUT_SIM.get(bearer, ""), **shared)
    issuer, apn = (row["issuer2"], row["apn2"]) if bearer == _SIM_2 else (row["issuer1"], row["apn1"])
    cell = f"{operator} {row['tac']}" if row["tac"] is not None else ""
    return Place(str(operator), issuer or "", SHARED_RADIO.get(operator, str(operator)), cell, apn or "", **shared)


def spare_of(row: Mapping[str, Any]) -> Spare:
    """The second way to a unit: the SIM beside its fixed line, else the second SIM in its only modem."""
    sims = row["sims"]
    if row["bearer"] in _WITHOUT_SIM and sims:
        return Spare.SECOND_RADIO
    return Spare.SPARE_SIM if sims > 1 else Spare.NONE
