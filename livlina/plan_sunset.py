"""``livlina plan sunset``: a plan's document in lines for a person."""

from __future__ import annotations

from typing import Any

MOST_LINES = 12


def _amount(value: int) -> str:
    return f"{value:,} SEK".replace(",", " ")


def lines(document: dict[str, Any]) -> list[str]:
    """For a person."""
    classes = document["classes"]
    made = [
        f"{document['units']} units in use; {document['doomed']} lose a network, {document['stranded']} their last one",
        "  " + ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in classes.items()),
        f"{document['visits']} visits from {document['start']}: {document['installers']} installers, "
        f"{document['per_day']} a day each",
    ]
    if document["overdue"]:
        made.append(f"{document['overdue']} of them are overdue: their network has closed")
    made += [f"  by {one['deadline']}: {one['sentence']}" for one in document["deadlines"]]
    if document["person_visits"]:
        made.append(
            f"{document['person_visits']} persons have no path for a while: each needs somebody who sees to him"
        )
    made += ["", "waves:"]
    for wave in document["waves"][:MOST_LINES]:
        late = f", {wave['late']} late" if wave["late"] else ""
        made.append(
            f"  {wave['number']:>2}  {wave['first']} to {wave['last']}  {wave['units']:>6} units{late}  {wave['why']}"
        )
    if len(document["waves"]) > MOST_LINES:
        made.append(f"      and {len(document['waves']) - MOST_LINES} more (--json has all)")
    made += [
        f"over the air, stage {one['stage']}: {one['units']} units from {one['begins']}"
        for one in document["over_the_air"]
    ]
    if document["surveys"]:
        made.append(f"to be surveyed by a test alarm over each bearer: {document['surveys']}")
    made += [f"to order: {number} x {name}" for name, number in document["parts"].items()]
    costs = document["costs"]
    if costs:
        buying, leasing = _amount(costs["buying_year_1"]), _amount(costs["leasing_year_1"])
        even = "never" if costs["break_even_years"] is None else f"after {costs['break_even_years']} years"
        made.append(f"{costs['units']} new units, year 1: buying {buying}, leasing {leasing}; break-even {even}")
        made.append(f"  prices: {costs['source']}")
    return made
