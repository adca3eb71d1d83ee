"""Buying or leasing units: what either costs, from named figures. Pure; amounts are whole units of the currency.

Without figures of one's own these are Kristianstad's for 250 personal alarms: bought for 3,160 with 1,620 for taking
into use, 4,410 a year with its SIM and 710 for the alarm centre; leased for 7,080 a year, and the same 710.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

MOST = 10**12
LONGEST_YEARS = 50


class CostError(ValueError):
    """Figures that cannot be reckoned with; the message says which and what to write."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a municipality pays for one unit, and how many it has."""

    units: int = 250
    years: int = 5
    buy_unit_once: int = 3160
    buy_start_once: int = 1620
    buy_service_a_year: int = 4410
    buy_centre_a_year: int = 710
    lease_a_year: int = 7080
    lease_centre_a_year: int = 710
    lease_once: int = 0
    currency: str = "SEK"


SOURCE = "Kristianstad, 250 personal alarms"
_NUMBERS = tuple(item.name for item in fields(Figures) if item.name != "currency")


def read_figures(given: Mapping[str, Any], base: Figures | None = None) -> Figures:
    """Figures with some of them replaced. Raises CostError for a name or an amount that is none."""
    made = base or Figures()
    for name, value in given.items():
        if name == "currency":
            if not isinstance(value, str) or not 1 <= len(value) <= 10 or not value.isprintable():
                raise CostError("currency is a word of 1 to 10 characters, for example SEK")
        elif name not in _NUMBERS:
            raise CostError(f"{name[:40]!a} is no figure: choose among {', '.join((*_NUMBERS, 'currency'))}")
        elif not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
            raise CostError(f"{name} must be a whole number of 0 or more")
        made = replace(made, **{name: value})
    if made.units < 1:
        raise CostError("units must be 1 or more")
    if not 1 <= made.years <= LONGEST_YEARS:
        raise CostError(f"years must be 1 to {LONGEST_YEARS}")
    return made


def read_file(file: Path) -> dict[str, Any]:
    """The figures of a TOML or JSON file. Raises CostError, OSError."""
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        document = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise CostError(f"{file} cannot be read: {str(error)[:200]}") from None
    if not isinstance(document, dict):
        raise CostError(f"{file} must hold figures by name, for example units = 250")
    return document


def read_words(words: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` from the command line. Raises CostError."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise CostError(f"{word[:40]!a} is no figure: write NAME=VALUE, for example units=250")
        plain = text.replace(" ", "").replace("_", "")
        found[name] = int(plain) if plain.isascii() and plain.isdigit() and len(plain) <= 13 else text
    return found


def compare(figures: Figures) -> dict[str, Any]:
    """Both ways year by year, and where they meet. ``break_even_years`` is the time from which on buying stays the
    cheaper way: 0 from the first day, None never."""
    once = figures.buy_unit_once + figures.buy_start_once
    buy_a_year = figures.buy_service_a_year + figures.buy_centre_a_year
    lease_a_year = figures.lease_a_year + figures.lease_centre_a_year
    saving = lease_a_year - buy_a_year
    ahead = once - figures.lease_once
    even = _break_even(ahead, saving)
    years = []
    for year in range(1, figures.years + 1):
        buying = figures.units * (once + year * buy_a_year)
        leasing = figures.units * (figures.lease_once + year * lease_a_year)
        years.append({"year": year, "buying": buying, "leasing": leasing, "buying_costs_more": buying - leasing})
    return {
        "figures": asdict(figures),
        "one_unit": {
            "buying_once": once,
            "buying_a_year": buy_a_year,
            "leasing_once": figures.lease_once,
            "leasing_a_year": lease_a_year,
            "saved_a_year_by_buying": saving,
        },
        "saved_a_year_by_buying": figures.units * saving,
        "year_1_buying_costs_more": years[0]["buying_costs_more"],
        "break_even_years": None if even is None else round(float(even), 2),
        "sums": years,
    }


def _break_even(ahead: int, saving: int) -> Fraction | None:
    """``ahead``: what buying costs more at once; ``saving``: what it saves a year."""
    if saving > 0:
        return Fraction(max(ahead, 0), saving)
    return Fraction(0) if saving == 0 and ahead <= 0 else None


def lines(document: dict[str, Any], source: str) -> list[str]:
    """For a person."""
    figures, unit = document["figures"], document["one_unit"]
    money = figures["currency"]

    def amount(value: int) -> str:
        return f"{value:,} {money}".replace(",", " ")

    made = [f"{figures['units']} units; figures: {source}", ""]
    made += [f"  {name:<20} {value:>12}" for name, value in figures.items() if name != "currency"]
    made += [
        "",
        f"one unit, bought   {amount(unit['buying_once'])} once, {amount(unit['buying_a_year'])} a year",
        f"one unit, leased   {amount(unit['leasing_once'])} once, {amount(unit['leasing_a_year'])} a year",
        f"buying saves       {amount(unit['saved_a_year_by_buying'])} a unit and year, "
        f"{amount(document['saved_a_year_by_buying'])} for all",
        f"in year 1          buying costs {amount(document['year_1_buying_costs_more'])} more",
    ]
    even = document["break_even_years"]
    made.append("break-even         " + ("never" if even is None else f"after {even:g} years"))
    made += ["", f"{'after year':>10} {'buying':>16} {'leasing':>16} {'buying costs more':>20}"]
    for row in document["sums"]:
        made.append(
            f"{row['year']:>10} {row['buying']:>16,} {row['leasing']:>16,} {row['buying_costs_more']:>20,}".replace(
                ",", " "
            )
        )
    return made
