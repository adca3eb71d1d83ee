-- Units as technicians see them. All of it runs as livlina_web, which may not read keys, nor arguments of orders.

-- name: units
-- The page is cut first, then each of its rows is looked up: what stands around a unit is never asked of those that are
-- not shown.
SELECT p.*, m.name AS municipality,
       coalesce((SELECT array_agg(c.part ORDER BY c.part) FROM unit_conditions c
                 WHERE c.unit_id = p.unit_id AND c.condition = 'stuck input' AND c.active), '{}') AS stuck,
       EXISTS (SELECT 1 FROM unit_conditions c
               WHERE c.unit_id = p.unit_id AND c.condition = 'mains lost' AND c.active) AS mains_lost
FROM (
    SELECT u.unit_id, u.municipality_id, u.unit_type, u.state AS registered, u.life, s.seen_at, s.due_at, s.bearer,
           s.operator, s.radio, s.battery, s.flags, s.version
    FROM units u LEFT JOIN unit_states s ON s.unit_id = u.unit_id AND s.unit_id > %(after)s  -- where a merge begins
    WHERE u.unit_id > %(after)s
      AND (%(municipality)s::int IS NULL OR u.municipality_id = %(municipality)s::int)
      AND (%(life)s::text IS NULL OR u.life = %(life)s::text)
      AND (NOT %(overdue)s OR (u.state = 'active' AND u.life IN ('made', 'assigned', 'pairing', 'active', 'replaced')
                               AND (s.due_at IS NULL OR s.due_at < %(at)s)))
    ORDER BY u.unit_id LIMIT %(most)s
) p JOIN municipalities m USING (municipality_id)
ORDER BY p.unit_id;

-- name: unit
SELECT u.unit_id, u.unit_type, u.state AS registered, u.made_at, u.life, u.life_until, u.grounds, u.board, u.owner, m.name AS municipality, s.seen_at, s.due_at, s.transport,
       s.bearer, s.operator, s.radio, s.battery, s.signal, s.flags, s.attempts, s.open_presses, s.refused, s.status_at,
       s.version, s.reboot, s.uptime, s.heap_low, s.temperature, s.battery_mv, s.supply_mv, s.cell, s.tac, s.last_cause,
       s.psm_active, s.psm_tau, s.edrx, s.modem, v.state AS supervision, v.cause, v.since AS supervised_since,
       v.incident_id, f.at AS forecast_at, f.days AS days_left, f.least AS days_least, f.most AS days_most, s.interval_s,
       p.name AS profile, p.report_s, p.spare_s, o.proven_at AS other_proven_at, o.begins_at AS other_begins_at
FROM units u JOIN municipalities m USING (municipality_id) LEFT JOIN unit_states s USING (unit_id)
LEFT JOIN unit_supervision v USING (unit_id) LEFT JOIN battery_forecasts f USING (unit_id)
LEFT JOIN unit_other_paths o USING (unit_id)
LEFT JOIN supervision_profiles p ON p.municipality_id = u.municipality_id AND p.unit_type = u.unit_type
WHERE u.unit_id = %(unit_id)s;

-- name: orders
SELECT number, kind, actor, queued_at, expires_at, sends, sent_at, answered_at, result FROM unit_commands
WHERE unit_id = %(unit_id)s ORDER BY number DESC LIMIT 20;

-- name: proofs
-- The newest proof of each button (button_proofs_newest).
SELECT DISTINCT ON (input) input, bearer, at FROM button_proofs WHERE unit_id = %(unit_id)s ORDER BY input, at DESC;
