"""The words for what became of a change to centres, services and districts."""

from __future__ import annotations

from fleet.web.texts import N_, Table

WRONG: Table = {
    "form": N_("Choose a protocol, a rank and at least one municipality."),
    "centre": N_("That is no centre of yours, or no name for one."),
    "time": N_("The hours are no hours of the week, or the time is past."),
    "municipality": N_("Choose a municipality."),
    "district": N_("There is no such district."),
    "name": N_("That is no name, or another one has it already."),
    "recipients": N_("Recipients stand in it: choose the district that they go into."),
    "into": N_("Choose another district of the same municipality."),
    "provider": N_("That is no identity provider: look at the address and the names."),
    "key": N_("This server has no key to seal a secret with. Tell whoever runs it."),
}
DONE: Table = {
    "set": N_("It is set."),
    "token": N_("There is a new token; the one before is refused within 10 s."),
    "ended": N_("It is ended."),
    "added": N_("It is added."),
    "renamed": N_("It has another name, and its recipients with it."),
    "removed": N_("It is removed."),
}
