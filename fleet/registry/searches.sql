-- Searches for wearers of trackers.

-- name: start
INSERT INTO search_sessions (municipality_id, unit_id, case_id, reason, consent, started_by, started_at, ends_at)
SELECT c.municipality_id, c.unit_id, c.case_id, %(reason)s, %(consent)s, %(actor)s, %(at)s, %(ends_at)s
FROM cases c WHERE c.case_id = %(case_id)s AND c.state <> 'closed' AND c.unit_type = 'tracker'
RETURNING search_id, municipality_id, unit_id;

-- name: end
UPDATE search_sessions SET ended_at = least(%(at)s, ends_at), ended_by = %(actor)s
WHERE search_id = %(search_id)s AND ended_at IS NULL RETURNING municipality_id, unit_id;

-- name: end_over
UPDATE search_sessions SET ended_at = ends_at, ended_by = %(actor)s
WHERE ended_at IS NULL AND ends_at <= %(at)s RETURNING search_id, municipality_id;

-- name: running
SELECT municipality_id FROM search_sessions
WHERE search_id = %(search_id)s AND ended_at IS NULL AND ends_at > %(at)s;

-- name: positions
SELECT received_at, age_s, data FROM search_positions WHERE search_id = %(search_id)s
ORDER BY received_at DESC LIMIT %(most)s;

-- name: to_purge
SELECT search_id, municipality_id FROM search_sessions
WHERE purged_at IS NULL AND ended_at IS NOT NULL AND ended_at <= %(before)s ORDER BY ended_at LIMIT 100
FOR UPDATE SKIP LOCKED;

-- name: purge
DELETE FROM search_positions WHERE search_id = %(search_id)s;

-- name: purged
UPDATE search_sessions SET purged_at = %(at)s WHERE search_id = %(search_id)s;

-- name: searches
SELECT search_id, unit_id, case_id, reason, consent, started_by, started_at, ends_at, ended_at, ended_by, purged_at
FROM search_sessions WHERE unit_id = %(unit_id)s ORDER BY search_id DESC LIMIT 20;
