-- Incidents and units that are not heard, as the pages show them. Runs as livlina_web: an incident is seen by whoever
-- has a unit in it, and its members are those of the session's municipalities.

-- name: incidents
SELECT i.incident_id, i.kind, i.report -> 'scope' AS scope, i.began_at, i.opened_at, i.closed_at, i.stage,
       (i.report ->> 'detected_after_s')::float8 AS detected_after_s, (i.report ->> 'due')::int AS due,
       (i.report ->> 'missed')::int AS missed,
       m.touched, m.down, m.presumed, m.other_path, m.back, m.on_battery, m.without
FROM incidents i
CROSS JOIN LATERAL (
    SELECT count(*) AS touched, count(*) FILTER (WHERE fate = 'down') AS down,
           count(*) FILTER (WHERE fate = 'presumed') AS presumed,
           count(*) FILTER (WHERE fate = 'other path') AS other_path, count(*) FILTER (WHERE fate = 'back') AS back,
           count(*) FILTER (WHERE fate = 'on battery') AS on_battery,
           count(*) FILTER (WHERE (fate = 'down' AND (single OR switch_by < %(at)s)) OR (fate = 'presumed' AND single))
               AS without
    FROM incident_units u WHERE u.incident_id = i.incident_id) m
WHERE (%(incident_id)s::bigint IS NULL OR i.incident_id = %(incident_id)s)
ORDER BY i.closed_at IS NOT NULL, i.incident_id DESC LIMIT %(most)s;

-- name: unheard
-- Units that are not heard and that no incident explains: each is a technician's task too.
SELECT state, count(*) AS units FROM unit_supervision
WHERE state IN ('silent', 'off', 'no_power', 'no_network') AND incident_id IS NULL GROUP BY state ORDER BY state;

-- name: kinds
SELECT unit_id, unit_type, municipality_id FROM units WHERE unit_id = ANY (%(units)s::bigint[]);

-- name: late_presses
-- Made while it lasted, and received more than a minute later: whenever that was.
SELECT p.unit_id, p.received_at, p.age_s, p.case_id FROM presses p
JOIN incident_units u ON u.unit_id = p.unit_id AND u.incident_id = %(incident_id)s
WHERE p.received_at >= %(began_at)s AND p.age_s > 60
  AND (%(closed_at)s::timestamptz IS NULL
       OR p.received_at - make_interval(secs => p.age_s::float8) <= %(closed_at)s::timestamptz)
ORDER BY p.received_at LIMIT 200;

-- name: left_down
-- Still without a path when it was over, and how they stand now: each is looked at by itself from then on.
SELECT u.unit_id, k.unit_type, u.priority, u.district, u.reference, u.municipality_id, coalesce(v.state, 'known') AS state
FROM incident_units u JOIN units k USING (unit_id) LEFT JOIN unit_supervision v USING (unit_id)
WHERE u.incident_id = %(incident_id)s AND u.fate = 'down' ORDER BY u.priority, u.district, u.reference, u.unit_id LIMIT 500;

-- name: recovered
-- The latest first.
SELECT unit_id, fate, fate_at, extract(epoch FROM fate_at - since)::float8 AS away_s, was_down FROM incident_units
WHERE incident_id = %(incident_id)s AND fate IN ('back', 'other path')
ORDER BY fate_at DESC, unit_id LIMIT %(most)s;
