-- Incidents and units that are not heard, as the pages show them. Runs as livlina_web: an incident is seen by whoever
-- has a unit in it, and its members are those of the session's municipalities.

-- name: incidents
SELECT i.incident_id, i.kind, i.report -> 'scope' AS scope, i.began_at, i.opened_at, i.closed_at, i.stage,
       m.touched, m.down, m.other_path, m.back, m.on_battery, m.without
FROM incidents i
CROSS JOIN LATERAL (
    SELECT count(*) AS touched, count(*) FILTER (WHERE fate = 'down') AS down,
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

-- name: late_presses
SELECT p.unit_id, p.received_at, p.age_s FROM presses p
JOIN incident_units u ON u.unit_id = p.unit_id AND u.incident_id = %(incident_id)s
WHERE p.received_at >= %(began_at)s AND p.received_at <= coalesce(%(closed_at)s, now()) AND p.age_s > 60
ORDER BY p.received_at LIMIT 200;
