-- name: routines
SELECT routine_id AS id, municipality_id, name, unit_type, priority, hours, starts_minute, ends_minute, zone, valid_from
FROM routines WHERE (%(municipality)s::int IS NULL OR municipality_id = %(municipality)s::int)
  AND (%(before)s::bigint IS NULL OR routine_id < %(before)s::bigint)
ORDER BY routine_id DESC LIMIT %(most)s;

-- name: routine
SELECT routine_id AS id, municipality_id, name, unit_type, priority, hours, starts_minute, ends_minute, zone, valid_from,
       steps
FROM routines WHERE routine_id = %(routine_id)s;
