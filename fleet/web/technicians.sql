-- Technicians' tasks as their page shows them. All of it runs as livlina_web.

-- name: open_tasks
-- Oldest first, paged by (opened_at, task_id): the index technician_tasks_oldest gives them in order.
SELECT t.*, m.name AS municipality FROM technician_tasks t JOIN municipalities m USING (municipality_id)
WHERE t.closed_at IS NULL
  AND (%(kind)s::text IS NULL OR t.kind = %(kind)s::text)
  AND (%(municipality)s::int IS NULL OR t.municipality_id = %(municipality)s::int)
  AND (%(after_at)s::timestamptz IS NULL OR (t.opened_at, t.task_id) > (%(after_at)s::timestamptz, %(after_id)s::bigint))
ORDER BY t.opened_at, t.task_id LIMIT %(most)s;

-- name: task_counts
SELECT kind, count(*) AS tasks FROM technician_tasks WHERE closed_at IS NULL
  AND (%(municipality)s::int IS NULL OR municipality_id = %(municipality)s::int)
GROUP BY kind ORDER BY count(*) DESC, kind;

-- name: municipalities
SELECT municipality_id, name FROM municipalities ORDER BY name;
