-- Drills that were ordered, and the proofs of buttons that they are to bring. `at` is the watch's present.

-- name: unsettled
-- Oldest first. `proved` are the buttons of the unit that a test has proven since the order.
SELECT c.unit_id, c.number, c.args, c.queued_at, c.expires_at, c.answered_at, c.result,
       ARRAY(SELECT b.input FROM button_proofs b WHERE b.unit_id = c.unit_id AND b.at >= c.queued_at) AS proved
FROM unit_commands c
WHERE c.kind = 2 AND c.drill_settled_at IS NULL
ORDER BY c.queued_at, c.unit_id LIMIT %(most)s FOR UPDATE OF c SKIP LOCKED;

-- name: settle
UPDATE unit_commands c SET drill_settled_at = %(at)s
FROM unnest(%(unit_id)s::bigint[], %(number)s::bigint[]) AS t(unit_id, number)
WHERE c.unit_id = t.unit_id AND c.number = t.number;

-- name: close_proven
-- A test of that button that came after all.
UPDATE technician_tasks k SET closed_at = %(at)s, closed_by = %(actor)s
FROM button_proofs b
WHERE k.kind = %(kind)s AND k.closed_at IS NULL AND b.unit_id = k.unit_id AND b.input = k.part AND b.at >= k.opened_at;

-- name: orders
SELECT c.unit_id, c.args, c.queued_at, c.expires_at, c.answered_at, c.result,
       ARRAY(SELECT b.input FROM button_proofs b WHERE b.unit_id = c.unit_id AND b.at >= c.queued_at) AS proved
FROM unit_commands c
WHERE c.kind = 2 AND c.queued_at >= %(since)s AND c.queued_at < %(until)s;

-- name: proven
SELECT DISTINCT unit_id, input FROM button_proofs WHERE at >= %(since)s AND at < %(until)s;

-- name: active_units
SELECT count(*) AS units FROM units WHERE state = 'active';
