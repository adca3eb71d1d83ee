"""The words of a unit's life, of recipients, and of services."""

from __future__ import annotations

from fleet.web.texts import N_, Table

LIVES: Table = {
    "made": N_("made"),
    "in_stock": N_("in stock"),
    "assigned": N_("prepared for somebody"),
    "pairing": N_("being paired"),
    "active": N_("active"),
    "absent": N_("wearer away"),
    "replaced": N_("replaced"),
    "returned": N_("taken back"),
    "cleaned": N_("cleaned"),
    "retired": N_("retired"),
}
EVENTS: Table = {
    "receive": N_("Receive into stock"),
    "assign": N_("Prepare for somebody"),
    "unassign": N_("Take the preparation back"),
    "pair": N_("Pairing begun"),
    "abandon": N_("Pairing given up"),
    "prove": N_("Proven by every button"),
    "leave": N_("Wearer is away"),
    "come_back": N_("Wearer is back"),
    "replace": N_("Replaced by another unit"),
    "return": N_("Take back"),
    "clean": N_("Clean: wipe who had it"),
    "restock": N_("Put back into stock"),
    "retire": N_("Retire for good"),
    "revoke": N_("Keys revoked"),
}
BY_HAND = ("receive", "unassign", "come_back", "return", "clean", "restock", "retire")
"""What a person does on the unit's page. The rest is pairing's, or needs a date or a recipient."""
LINKS: Table = {"planned": N_("prepared"), "responsible": N_("in use"), "former": N_("before")}
OPENINGS: Table = {"case": N_("for a case"), "break_glass": N_("break-glass"), "write": N_("changed")}
PAIRINGS: Table = {"open": N_("not yet active"), "active": N_("proven"), "abandoned": N_("given up")}
SERVICES: Table = {
    "alarm_reception": N_("Receives alarms"),
    "camera_supervision": N_("Supervision by camera"),
    "technicians": N_("Technicians"),
    "on_call": N_("People on call"),
    "search": N_("Searches"),
}
HOURS: Table = {"any": N_("always"), "office": N_("office hours"), "on_call": N_("outside office hours")}
DAYS: Table = {
    0: N_("Monday"),
    1: N_("Tuesday"),
    2: N_("Wednesday"),
    3: N_("Thursday"),
    4: N_("Friday"),
    5: N_("Saturday"),
    6: N_("Sunday"),
}
