"""A night as the pages must show it: every kind of case, task, unit and centre, as the server's duties write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from fleet.technicians.store import open_task
from tests.web_server import Scene

NORTH, SOUTH = "Larmcentral Nord", "Larmcentral Syd"


def centres(scene: Scene) -> None:
    """North is the first centre of municipality 1 and down, south the second one; east belongs to nobody here."""
    for name, taken in ((NORTH, "console"), (SOUTH, "none"), ("Larmcentral Öst", "protocol")):
        scene.sql(
            "INSERT INTO centres (municipality_id, name, protocol, host, port, reports_taken) "
            "VALUES (0, %s, 'dc09', 'centre.example', 4000, %s)",
            name,
            taken,
        )
    scene.sql(
        "INSERT INTO type_routes SELECT 1, 'any', row_number() OVER (ORDER BY name), now() - interval '1 day', "
        "centre_id FROM centres WHERE name <> 'Larmcentral Öst'"
    )
    scene.sql(
        "INSERT INTO centre_health (centre_id, municipality_id, state, since, probe_at, probe_set_at, last_outcome) "
        "SELECT centre_id, 0, 'down', now() - interval '7 minutes', now(), now(), 'probe unanswered' FROM centres "
        "WHERE name = %s",
        NORTH,
    )


def owe(scene: Scene, case: int, centre: str, outcome: str, *, owed: bool = True) -> None:
    """A row of the outbox for the case's first press."""
    scene.sql(
        "INSERT INTO outbox (municipality_id, centre_id, case_id, unit_id, boot, seq, queued_at, next_try_at, "
        "last_outcome, withdrawn_at) SELECT p.municipality_id, n.centre_id, p.case_id, p.unit_id, p.boot, p.seq, "
        "now() - interval '3 minutes', now(), %s, CASE WHEN %s THEN NULL ELSE now() END "
        "FROM presses p, centres n WHERE p.case_id = %s AND n.name = %s ORDER BY p.seq LIMIT 1",
        outcome,
        owed,
        case,
        centre,
    )


def log(scene: Scene, case: int, change: str, actor: str, **detail: object) -> None:
    """An entry of the case's log, now."""
    scene.sql(
        "INSERT INTO case_log (municipality_id, case_id, at, change, actor, detail) "
        "SELECT municipality_id, case_id, now(), %s, %s, %s FROM cases WHERE case_id = %s",
        change,
        actor,
        json.dumps(detail),
        case,
    )


def notice(scene: Scene, case: int, who: str, *, delivered: bool, attempts: int = 1) -> None:
    """A message to somebody who holds a role."""
    scene.sql(
        "INSERT INTO recipients (municipality_id, name, channel, address) VALUES (1, %s, 'sms', '+46700000011') "
        "ON CONFLICT DO NOTHING",
        f"holder of {who}",
    )
    scene.sql(
        "INSERT INTO notices (municipality_id, case_id, round, place, recipient_id, who, parts, zone, queued_at, "
        "next_try_at, attempts, delivered_at, last_outcome) SELECT 1, %s, 0, 1, recipient_id, %s, '{unit}', "
        "'Europe/Stockholm', now(), now(), %s, CASE WHEN %s THEN now() END, CASE WHEN %s THEN NULL ELSE '503' END "
        "FROM recipients WHERE name = %s",
        case,
        who,
        attempts,
        delivered,
        delivered,
        f"holder of {who}",
    )


def next_step(scene: Scene, case: int, place: int, seconds: int) -> None:
    """The case's timer: this step in so many seconds."""
    scene.sql(
        "UPDATE case_timers SET place = %s, due_at = now() + make_interval(secs => %s) WHERE case_id = %s",
        place,
        seconds,
        case,
    )


def accept(scene: Scene, case: int, centre: str) -> None:
    """The centre has it."""
    scene.sql(
        "UPDATE cases c SET accepted_at = now(), accepted_by = n.name, responsible = n.name, "
        "reports_taken = n.reports_taken FROM centres n WHERE case_id = %s AND n.name = %s",
        case,
        centre,
    )
    log(scene, case, "accepted", f"centre {centre}")


def escalate(scene: Scene, case: int, place: int, *to: str) -> None:
    """The routine's step was taken."""
    scene.sql("UPDATE cases SET escalated_place = %s, responsible = %s WHERE case_id = %s", place, to[0], case)
    log(scene, case, "escalated", "escalation", place=place, to=list(to))


def task(scene: Scene, unit: int, kind: str, part: int | None = None, age_s: int = 0, **detail: object) -> int:
    """An open task of a technician."""
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    return scene.town.do("ingest", lambda c: open_task(c, unit, kind, part, detail, at))


def night(scene: Scene) -> dict[str, int]:
    """All of it at once; the cases by what is special about each."""
    town = scene.town
    centres(scene)
    made = {}
    for unit, (name, unit_type) in enumerate(
        (("escalated", "social"), ("moved", "social"), ("duress", "personal"), ("never", "social"), ("stuck", "social"),
         ("late", "tracker"), ("replay", "social")), 20,
    ):  # fmt: skip
        town.unit(unit, 1, unit_type)
        looks: dict[str, dict[str, Any]] = {
            "duress": {"unit_type": "personal", "kind": 2, "marks": ("silent",)},
            "stuck": {"marks": ("stuck",), "flags": 8, "battery": 12, "bearer": 5},
            "late": {"marks": ("late",), "flags": 16, "age_s": 2400, "unit_type": "tracker"},
            "replay": {"marks": ("freshness_unproven", "replay")},
        }
        made[name] = town.press(unit, 1, **looks.get(name, {}))
    town.press(20, 1)
    town.press(20, 1)
    made["test"] = town.press(1, 1, kind=9)
    for case in made.values():
        next_step(scene, case, 2, 45)
    for who, delivered in (("manager", True), ("guard", False)):
        notice(scene, made["escalated"], who, delivered=delivered, attempts=1 if delivered else 3)
    accept(scene, made["escalated"], NORTH)
    escalate(scene, made["escalated"], 3, "Nattpatrullen")
    next_step(scene, made["escalated"], 3, 200)
    owe(scene, made["moved"], NORTH, "refused")
    log(scene, made["moved"], "moved", "forwarding", **{"from": NORTH, "to": SOUTH})
    scene.sql("UPDATE cases SET refused_by = %s WHERE case_id = %s", NORTH, made["moved"])
    accept(scene, made["never"], SOUTH)
    scene.sql("UPDATE case_timers SET ended_at = now() WHERE case_id = %s", made["never"])
    next_step(scene, made["duress"], 2, -90)
    log(scene, made["late"], "told", "notices", to="Nattpatrullen", channel="sms")
    tasks(scene)
    return made


def tasks(scene: Scene) -> None:
    """Tasks of every look, a unit that is overdue, orders in every state, and a proven button."""
    task(scene, 1, "stuck input", 2, 7200, why="closed")
    task(scene, 1, "pendant missed", 3, 300, silent_s=9000)
    task(scene, 2, "battery low", None, 90000, percent=11, millivolts=3420)
    task(scene, 2, "fault", 7, 60, count=4, text="modem asleep")
    task(scene, 2, "technology closing", 0, 60, operator=24001, radio=1, unix_s=1830000000)
    task(scene, 3, "drill missed", 1, 50)
    scene.sql("UPDATE technician_tasks SET note = 'released', noted_at = now() WHERE kind = 'stuck input'")
    scene.sql(
        "INSERT INTO unit_states (unit_id, municipality_id, seen_at, due_at, bearer, operator, radio, battery, signal, "
        "flags, refused, status_at, version, reboot, uptime, temperature, battery_mv, imei, iccid1) VALUES "
        "(1, 1, now() - interval '2 hours', now() - interval '1 hour', 4, 24008, 4, 9, -101, 1, 3, now(), '1.4.2', "
        "32773, 90000, 215, 3410, '490154203237518', '8946012345678901234')"
    )
    for name, part in (("mains lost", -1), ("stuck input", 2)):
        scene.sql(
            "INSERT INTO unit_conditions (unit_id, condition, part, municipality_id, active, at, boot, seq) "
            "VALUES (1, %s, %s, 1, true, now(), 1, 1)",
            name,
            part,
        )
    for number, sent, answered, over in ((1, True, True, False), (2, True, False, False), (3, False, False, True)):
        scene.sql(
            "INSERT INTO unit_commands (unit_id, number, municipality_id, kind, args, actor, queued_at, expires_at, "
            "sends, sent_at, answered_at, result) VALUES (1, %s, 1, 2, 'secret', 'anna', now(), "
            "CASE WHEN %s THEN now() - interval '1 s' END, 1, CASE WHEN %s THEN now() END, "
            "CASE WHEN %s THEN now() END, CASE WHEN %s THEN 3 END)",
            number, over, sent, answered, answered,
        )  # fmt: skip
    scene.sql(
        "INSERT INTO button_proofs SELECT p.unit_id, p.boot, p.seq, p.municipality_id, 1, 4, now(), n.centre_id "
        "FROM presses p, centres n WHERE n.name = %s ORDER BY p.unit_id LIMIT 1",
        NORTH,
    )
