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

-- name: listed
SELECT s.search_id, s.municipality_id, s.unit_id, s.case_id, s.reason, s.consent, s.started_by, s.started_at, s.ends_at,
       s.ended_at, s.ended_by, s.purged_at, s.ended_at IS NULL AND s.ends_at > %(at)s AS running
FROM search_sessions s
WHERE (%(before)s::bigint IS NULL OR s.search_id < %(before)s)
  AND (NOT %(running)s OR s.ended_at IS NULL AND s.ends_at > %(at)s)
ORDER BY s.search_id DESC LIMIT %(most)s;

-- name: candidates
SELECT c.case_id, c.unit_id, c.opened_at FROM cases c
WHERE c.state <> 'closed' AND c.unit_type = 'tracker' AND NOT c.test
  AND NOT EXISTS (SELECT 1 FROM search_sessions s WHERE s.unit_id = c.unit_id AND s.ended_at IS NULL)
ORDER BY c.case_id DESC LIMIT %(most)s;
