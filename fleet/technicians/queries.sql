-- Technicians' tasks and the conditions of units.

-- name: change_conditions
-- The newest word on each condition counts, in whatever order words come in. Returns what was applied.
INSERT INTO unit_conditions AS c (unit_id, condition, part, municipality_id, active, at, boot, seq, detail)
SELECT * FROM unnest(
    %(unit_id)s::bigint[], %(condition)s::text[], %(part)s::bigint[], %(municipality_id)s::int[],
    %(active)s::boolean[], %(at)s::timestamptz[], %(boot)s::bigint[], %(seq)s::bigint[], %(detail)s::jsonb[]
) AS t(unit_id, condition, part, municipality_id, active, at, boot, seq, detail)
ORDER BY t.unit_id, t.condition, t.part
ON CONFLICT (unit_id, condition, part) DO UPDATE SET
    active = excluded.active, at = excluded.at, boot = excluded.boot, seq = excluded.seq,
    detail = CASE WHEN excluded.active THEN excluded.detail ELSE c.detail END
WHERE CASE WHEN excluded.boot = c.boot THEN excluded.seq >= c.seq ELSE excluded.at >= c.at END
RETURNING unit_id, condition, part;

-- name: end_or_begin_conditions
-- What heartbeats say of a condition of the unit itself: a row is made only where there is something to say.
INSERT INTO unit_conditions AS c (unit_id, condition, part, municipality_id, active, at, boot, seq)
SELECT t.unit_id, t.condition, -1, t.municipality_id, t.active, t.at, t.boot, t.seq FROM unnest(
    %(unit_id)s::bigint[], %(condition)s::text[], %(municipality_id)s::int[], %(active)s::boolean[],
    %(at)s::timestamptz[], %(boot)s::bigint[], %(seq)s::bigint[]
) AS t(unit_id, condition, municipality_id, active, at, boot, seq)
LEFT JOIN unit_conditions k ON k.unit_id = t.unit_id AND k.condition = t.condition AND k.part = -1
WHERE t.active IS DISTINCT FROM coalesce(k.active, false)
ORDER BY t.unit_id, t.condition
ON CONFLICT (unit_id, condition, part) DO UPDATE SET
    active = excluded.active, at = excluded.at, boot = excluded.boot, seq = excluded.seq
WHERE excluded.active <> c.active
  AND CASE WHEN excluded.boot = c.boot THEN excluded.seq > c.seq ELSE excluded.at > c.at END;

-- name: open_tasks
-- One open task a unit, kind and part: a further report joins it.
INSERT INTO technician_tasks AS k (municipality_id, unit_id, kind, part, detail, opened_at, opened_by, last_at)
SELECT u.municipality_id, t.unit_id, t.kind, t.part, t.detail, t.at, t.actor, t.at
FROM unnest(
    %(unit_id)s::bigint[], %(kind)s::text[], %(part)s::bigint[], %(detail)s::jsonb[], %(at)s::timestamptz[],
    %(actor)s::text[]
) AS t(unit_id, kind, part, detail, at, actor)
JOIN units u USING (unit_id)
ORDER BY t.unit_id, t.kind, t.part
ON CONFLICT (unit_id, kind, coalesce(part, -1)) WHERE closed_at IS NULL DO UPDATE SET
    reports = k.reports + 1, detail = k.detail || excluded.detail, last_at = greatest(k.last_at, excluded.last_at)
RETURNING task_id;

-- name: close_tasks_of
-- Closed by the unit itself: what the task was opened for has ended.
UPDATE technician_tasks k SET closed_at = greatest(t.at, k.opened_at), closed_by = t.actor
FROM unnest(%(unit_id)s::bigint[], %(kind)s::text[], %(part)s::bigint[], %(at)s::timestamptz[], %(actor)s::text[])
     AS t(unit_id, kind, part, at, actor)
WHERE k.unit_id = t.unit_id AND k.kind = t.kind AND coalesce(k.part, -1) = coalesce(t.part, -1)
  AND k.closed_at IS NULL
RETURNING k.task_id;

-- name: note_tasks
UPDATE technician_tasks k SET note = t.note, noted_at = t.at
FROM unnest(%(unit_id)s::bigint[], %(kind)s::text[], %(part)s::bigint[], %(at)s::timestamptz[], %(note)s::text[])
     AS t(unit_id, kind, part, at, note)
WHERE k.unit_id = t.unit_id AND k.kind = t.kind AND coalesce(k.part, -1) = coalesce(t.part, -1)
  AND k.closed_at IS NULL;

-- name: ends_by_the_fact
-- Somebody depends on a network that has closed, as it was judged last (fleet/attention).
SELECT k.unit_id FROM technician_tasks k
JOIN units u ON u.unit_id = k.unit_id AND u.state = 'active' AND u.life IN ('active', 'absent')
JOIN unit_concerns c ON c.unit_id = k.unit_id AND c.concern = 'doomed' AND (c.detail ->> 'cut_off')::boolean
WHERE k.task_id = %(task_id)s AND k.closed_at IS NULL AND k.kind = 'network closed';

-- name: close_task
UPDATE technician_tasks SET closed_at = greatest(%(at)s, opened_at), closed_by = %(actor)s
WHERE task_id = %(task_id)s AND closed_at IS NULL
RETURNING unit_id, kind, coalesce(part, -1) AS part;

-- name: end_condition
UPDATE unit_conditions SET active = false, at = %(at)s
WHERE unit_id = %(unit_id)s AND condition = %(kind)s AND part = %(part)s AND active AND at <= %(at)s;

-- name: task
SELECT * FROM technician_tasks WHERE task_id = %(task_id)s;

-- name: tasks
SELECT * FROM technician_tasks
WHERE (%(closed)s OR closed_at IS NULL) AND (%(unit_id)s::bigint IS NULL OR unit_id = %(unit_id)s)
ORDER BY closed_at IS NOT NULL, opened_at, task_id LIMIT %(most)s;

-- name: conditions
SELECT condition, part, active, at, detail FROM unit_conditions
WHERE unit_id = %(unit_id)s ORDER BY condition, part;
