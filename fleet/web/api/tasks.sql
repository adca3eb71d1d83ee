-- What looked like somebody else in a unit's place. Runs as livlina_web.

-- name: notices
SELECT n.unit_id, n.municipality_id, n.hour, n.stale, n.unproven, n.repeated, n.moved, n.first_at, n.last_at
FROM security_notices n
WHERE (%(municipality)s::int IS NULL OR n.municipality_id = %(municipality)s)
  AND (%(before_at)s::timestamptz IS NULL OR (n.hour, n.unit_id) < (%(before_at)s, %(before_id)s))
ORDER BY n.hour DESC, n.unit_id DESC LIMIT %(most)s;
