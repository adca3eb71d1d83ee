"""After a network has closed: nobody becomes active on it, no click ends a visit, a swap ends with the old unit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fleet.attention import store
from fleet.connectivity import sunset_store
from fleet.store.pool import Connection
from tests.asking import HTML, Asking, ask
from tests.pairing_hall import DIGITS, REFERENCE, UNIT, Hall
from tests.web_server import Scene, postgres, scene

__all__ = ["postgres", "scene"]

NOW = datetime.now(UTC)


def lives_on(scene: Scene, unit: int, radio: int, *, proven: bool = True) -> None:
    scene.sql(
        "INSERT INTO unit_bearers (unit_id, slot, operator, radio, municipality_id, first_seen, last_seen, proven_at) "
        "VALUES (%s, 1, 24001, %s, 1, %s, %s, %s)", unit, radio, NOW, NOW, NOW if proven else None,
    )  # fmt: skip


def close_gsm(scene: Scene, days_ago: int = 1) -> None:
    scene.sql(
        "INSERT INTO sunset_changes (operator, technology, region, last_day, source, actor, at) "
        "VALUES ('telia', 'gsm', 'SE', %s, 'a letter', 'console:test', now())", (NOW - timedelta(days=days_ago)).date(),
    )  # fmt: skip


def judge(scene: Scene) -> None:
    async def work(connection: Connection) -> None:
        found = await store.look_for_doomed(connection, NOW)
        await store.keep_person_visits(connection, found, NOW)

    scene.town.do("supervise", work)


def begun(hall: Hall, scene: Scene) -> tuple[int, str]:
    """(status, answer) of beginning a pairing of the hall's unit, as its page does it."""
    person = scene.town.person("vard", ("care_assistant", 1))
    [(recipient,)] = scene.sql("SELECT recipient_id FROM care_recipients WHERE reference = %s", REFERENCE)

    async def work(asking: Asking) -> tuple[int, str]:
        async with await asking.signed_in(person) as client:
            body = {
                "unit": f"{UNIT:08x}", "recipient": recipient, "digits": DIGITS, "rooms": [],
                "client_key": "6f6c0d0e-0000-4000-8000-000000000001",
            }  # fmt: skip
            answer = await client.post("/api/v1/pairings", json=body, headers={"Origin": asking.base})
            return answer.status_code, answer.text

    return ask(scene, work)


def test_a_doomed_unit_is_refused_with_date_and_reason(scene: Scene) -> None:
    hall = Hall(scene)
    lives_on(scene, UNIT, 1)
    close_gsm(scene)
    status, text = begun(hall, scene)
    assert status == 409 and str((NOW - timedelta(days=1)).date()) in text, text
    assert hall.life() == "in_stock"


def test_a_network_that_closes_while_it_is_paired_keeps_it_from_becoming_active(scene: Scene) -> None:
    hall = Hall(scene)
    lives_on(scene, UNIT, 1)
    status, text = begun(hall, scene)
    assert status in (200, 201), text
    hall.settle()
    hall.press(*hall.take_orders())
    close_gsm(scene)
    hall.press(*hall.take_orders())
    assert hall.life() != "active"
    [(state, reason)] = scene.sql("SELECT state, end_reason FROM pairings")
    assert state == "abandoned" and "closed on" in reason


def test_the_control_the_same_pairing_on_a_network_that_stays(scene: Scene) -> None:
    hall = Hall(scene)
    lives_on(scene, UNIT, 3)
    assert begun(hall, scene)[0] in (200, 201)
    close_gsm(scene)
    hall.settle()
    hall.press(*hall.take_orders())
    hall.press(*hall.take_orders())
    assert hall.life() == "active"


def test_no_click_ends_a_visit_and_the_swap_closes_when_the_new_one_is_proven_and_the_old_one_back(
    scene: Scene,
) -> None:
    scene.sql("UPDATE units SET life = 'active', grounds = 'import:1' WHERE unit_id IN (1, 2)")
    lives_on(scene, 1, 1)
    close_gsm(scene)
    judge(scene)
    [(task,)] = scene.sql("SELECT task_id FROM technician_tasks WHERE kind = 'network closed' AND closed_at IS NULL")
    technician = scene.town.person("tekniker", ("technician", 1))

    async def click(asking: Asking) -> tuple[int, str]:
        async with await asking.signed_in(technician) as client:
            headers = {**HTML, "Origin": asking.base}
            by_page = await client.post(f"/technicians/tasks/{task}/close", data={}, headers=headers)
            assert by_page.headers["location"].endswith("done=fact")
            answer = await client.post(f"/api/v1/tasks/{task}/close", json={}, headers={"Origin": asking.base})
            return answer.status_code, answer.text

    status, text = ask(scene, click)
    assert status == 409 and "returned" in text
    assert swap(scene) == "open"
    scene.sql(
        "INSERT INTO pairings (municipality_id, client_key, unit_id, unit_type, old_unit_id, state, steps, started_by, "
        "started_at, changed_at, ended_at, ended_by, proof, fee_from) VALUES (1, gen_random_uuid(), 2, 'social', 1, "
        "'active', '[]', 'person:9', now(), now(), now(), 'machine:pairing', 'proof-1', current_date)"
    )
    scene.sql("UPDATE units SET life = 'replaced' WHERE unit_id = 1")
    assert swap(scene) == "old unit out"
    judge(scene)
    closed = scene.sql("SELECT closed_by FROM technician_tasks WHERE task_id = %s", task)
    assert closed == [("machine:attention",)], "nobody relies on it any more"
    scene.sql("UPDATE units SET life = 'returned' WHERE unit_id = 1")
    assert swap(scene) == "closed"


def swap(scene: Scene) -> str:
    found = scene.town.do("registry", lambda connection: sunset_store.swap_states(connection, [1]))
    return str(found[1])
