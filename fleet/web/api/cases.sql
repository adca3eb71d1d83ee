-- name: cases
SELECT c.*, m.name AS municipality, coalesce((SELECT max(l.position) FROM case_log l WHERE l.case_id = c.case_id), 0) AS position
FROM cases c JOIN municipalities m USING (municipality_id)
WHERE NOT c.test AND (%(state)s::text IS NULL OR c.state = %(state)s::text)
  AND (%(municipality)s::int IS NULL OR c.municipality_id = %(municipality)s::int)
  AND (%(before)s::bigint IS NULL OR c.case_id < %(before)s::bigint)
ORDER BY c.case_id DESC LIMIT %(most)s;
