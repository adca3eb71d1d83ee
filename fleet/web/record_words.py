"""The words for what stands in the record, and for the pages of evidence."""

from __future__ import annotations

from fleet.web.texts import N_, Table

SOURCES: Table = {
    "audit": N_("Action"),
    "case_log": N_("Case"),
    "press": N_("Press"),
    "receipt": N_("Receipt to the unit"),
    "delivery": N_("Delivery to a centre"),
    "unit_event": N_("Report of a unit"),
}
WAYS: Table = {
    "centre": N_("Received until a centre has accepted"),
    "person": N_("Press until a person has taken"),
}
WRONG: Table = {
    "month": N_("Choose a month."),
    "address": N_("Write an address such as https://receiver.example/events, without a password in it."),
    "events": N_("Choose at least one kind of events."),
    "municipality": N_("Choose one of your municipalities."),
    "key": N_("This server holds no key for secrets. Ask whoever runs it."),
}
EVENTS: Table = {
    "case.*": N_("Cases"),
    "incident.*": N_("Outages"),
    "unit.*": N_("Units"),
    "pairing.*": N_("Pairings"),
    "task.*": N_("Technicians' tasks"),
    "search.*": N_("Searches"),
}
