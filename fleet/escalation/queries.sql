-- Escalation. `at` is the worker's present; no statement asks a clock of its own.

-- name: any_due
-- A timer that was set in the future was set before the clock was set back; too early is better than an hour too late.
SELECT EXISTS (SELECT 1 FROM case_timers WHERE ended_at IS NULL
               AND (due_at <= %(at)s OR set_at > %(at)s + interval '10 seconds')) AS due;

-- name: due
SELECT t.case_id, t.municipality_id, t.started_at, t.place, t.round, t.repeats, least(t.due_at, %(at)s) AS due_at,
       c.unit_id, c.unit_type, c.priority, c.state, c.test, c.opened_at, c.accepted_at IS NOT NULL AS accepted,
       c.reports_taken, c.responsible_centre, c.routine_id, c.routine_at
FROM case_timers t JOIN cases c USING (case_id)
WHERE t.ended_at IS NULL AND (t.due_at <= %(at)s OR t.set_at > %(at)s + interval '10 seconds')
ORDER BY c.priority, t.due_at LIMIT %(most)s FOR UPDATE OF t SKIP LOCKED;

-- name: end_timer
UPDATE case_timers SET ended_at = %(at)s WHERE case_id = %(case_id)s;

-- name: set_timer
UPDATE case_timers SET place = %(place)s, round = round + 1, repeats = %(repeats)s, due_at = %(due_at)s, set_at = %(at)s
WHERE case_id = %(case_id)s;

-- name: pin_routine
UPDATE cases SET routine_id = %(routine_id)s, routine_at = %(routine_at)s WHERE case_id = %(case_id)s;

-- name: centre_of_rank
-- The second centre is the one that does not have the case.
SELECT n.centre_id, n.name, n.reports_taken FROM centres n
WHERE n.centre_id = CASE WHEN %(rank)s = 2 AND %(responsible_centre)s::int IS NOT NULL
    THEN livlina_other_centre(%(municipality_id)s, %(unit_type)s, %(pinned)s, %(responsible_centre)s::int)
    ELSE livlina_route(%(municipality_id)s, %(unit_type)s, %(rank)s, %(pinned)s) END;

-- name: tell_centre
-- Every live press of the case; what was withdrawn from that centre is owed to it again.
INSERT INTO outbox (municipality_id, centre_id, case_id, unit_id, boot, seq, queued_at, next_try_at, test, reason)
SELECT p.municipality_id, %(centre_id)s, p.case_id, p.unit_id, p.boot, p.seq, %(at)s, '-infinity', false, 'escalation'
FROM presses p
WHERE p.case_id = %(case_id)s AND NOT (p.kind = 9 OR (p.flags & 2 <> 0 AND p.kind <> 2))
ON CONFLICT (unit_id, boot, seq, centre_id) DO UPDATE SET
    withdrawn_at = NULL, reason = 'escalation', next_try_at = '-infinity', queued_at = excluded.queued_at
    WHERE outbox.delivered_at IS NULL;

-- name: tell_person
INSERT INTO notices (municipality_id, case_id, round, place, recipient_id, who, parts, zone, queued_at, next_try_at)
VALUES (%(municipality_id)s, %(case_id)s, %(round)s, %(place)s, %(recipient_id)s, %(who)s, %(parts)s, %(zone)s,
        %(at)s, '-infinity')
ON CONFLICT (case_id, round, recipient_id) DO NOTHING;

-- name: note_escalation
UPDATE cases SET escalated_place = %(place)s, responsible = coalesce(%(responsible)s, responsible)
WHERE case_id = %(case_id)s;

-- name: announce
SELECT pg_notify('livlina_outbox', ''), pg_notify('livlina_notices', '');
