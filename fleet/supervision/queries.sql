-- Supervision's reading and writing. One leader at a time; it reads what the front doors wrote and never stops them.

-- name: lead
SELECT pg_try_advisory_lock(hashtext('livlina.supervision')) AS mine;

-- name: ticked
SELECT ticked_at, mark FROM supervision_ticks;

-- name: tick
INSERT INTO supervision_ticks AS t (ticked_at, mark) VALUES (%(at)s, %(mark)s)
ON CONFLICT (one) DO UPDATE SET ticked_at = greatest(t.ticked_at, excluded.ticked_at), mark = excluded.mark;

-- name: mark
-- The front doors raise this every ten seconds while they live.
SELECT mark FROM database_mark;

-- name: registry_marks
-- What the registry says of everybody who is relied on, as one number: where it is the same nothing is to be read anew.
SELECT u.unit_id, hashtextextended(concat_ws('|', u.municipality_id, u.unit_type, u.life, s.bearer IN (1, 2),
       coalesce(i.sims, 0), coalesce(i.issuer1, ''), coalesce(i.issuer2, ''), coalesce(i.apn1, ''), coalesce(i.apn2, ''), coalesce(r.district, ''),
       coalesce(r.priority, 5), coalesce(r.reference, ''), coalesce(p.name, ''), p.report_s, p.spare_s), 0) AS mark
FROM units u
LEFT JOIN unit_states s USING (unit_id)
LEFT JOIN (SELECT k.unit_id, count(*) AS sims, max(coalesce(nullif(k.issuer, ''), c.issuer)) FILTER (WHERE slot = 1) AS issuer1,
                  max(coalesce(nullif(k.issuer, ''), c.issuer)) FILTER (WHERE slot = 2) AS issuer2,
                  max(c.apn) FILTER (WHERE slot = 1) AS apn1, max(c.apn) FILTER (WHERE slot = 2) AS apn2
           FROM unit_sims k LEFT JOIN sims c USING (iccid) GROUP BY k.unit_id) i USING (unit_id)
LEFT JOIN (SELECT a.unit_id, c.district, c.priority, c.reference FROM unit_recipients a
           JOIN care_recipients c USING (recipient_id) WHERE a.role = 'responsible') r USING (unit_id)
LEFT JOIN supervision_profiles p ON p.municipality_id = u.municipality_id AND p.unit_type = u.unit_type
WHERE u.state = 'active' AND u.life IN ('active', 'absent');

-- name: units
-- Those of them who are asked for, with what was last heard and decided.
SELECT u.unit_id, u.municipality_id, u.unit_type, u.life, s.seen_at, s.due_at, s.boot, s.seq, s.transport, s.bearer,
       s.operator, s.tac, s.version, s.flags, coalesce(i.sims, 0) AS sims, i.issuer1, i.issuer2, i.apn1, i.apn2,
       coalesce(r.district, '') AS district, coalesce(r.priority, 5) AS priority, coalesce(r.reference, '') AS reference,
       p.name AS profile, p.report_s, p.spare_s, v.state, v.cause, v.since, v.told, v.incident_id,
       coalesce(m.active, false) AS on_battery, coalesce(b.active, false) AS battery_low
FROM units u
LEFT JOIN unit_states s USING (unit_id)
LEFT JOIN (SELECT k.unit_id, count(*) AS sims, max(coalesce(nullif(k.issuer, ''), c.issuer)) FILTER (WHERE slot = 1) AS issuer1,
                  max(coalesce(nullif(k.issuer, ''), c.issuer)) FILTER (WHERE slot = 2) AS issuer2,
                  max(c.apn) FILTER (WHERE slot = 1) AS apn1, max(c.apn) FILTER (WHERE slot = 2) AS apn2
           FROM unit_sims k LEFT JOIN sims c USING (iccid) GROUP BY k.unit_id) i USING (unit_id)
LEFT JOIN (SELECT a.unit_id, c.district, c.priority, c.reference FROM unit_recipients a
           JOIN care_recipients c USING (recipient_id) WHERE a.role = 'responsible') r USING (unit_id)
LEFT JOIN supervision_profiles p ON p.municipality_id = u.municipality_id AND p.unit_type = u.unit_type
LEFT JOIN unit_supervision v USING (unit_id)
LEFT JOIN unit_conditions m ON m.unit_id = u.unit_id AND m.condition = 'mains lost' AND m.part = -1
LEFT JOIN unit_conditions b ON b.unit_id = u.unit_id AND b.condition = 'battery low' AND b.part = -1
WHERE u.state = 'active' AND u.life IN ('active', 'absent') AND u.unit_id = ANY (%(units)s::bigint[]);

-- name: heard_since
-- Who was heard. A look overlaps the one before: what commits late is seen at the next, and again is harmless.
SELECT s.unit_id, s.municipality_id, s.seen_at, s.due_at, s.boot, s.seq, s.transport, s.bearer, s.operator, s.tac,
       s.version, s.flags
FROM unit_states s WHERE s.seen_at > %(since)s ORDER BY s.seen_at;

-- name: conditions_since
SELECT unit_id, condition, active, at, boot, seq FROM unit_conditions
WHERE part = -1 AND condition IN ('mains lost', 'battery low', 'not worn') AND at > %(since)s;

-- name: closes_since
-- Connections that ended without a farewell; the door tells again where a unit is back.
SELECT unit_id, closed_at FROM unit_closes WHERE written_at > %(since)s AND closed_at IS NOT NULL;

-- name: late_presses
SELECT unit_id, received_at, age_s FROM presses
WHERE received_at > %(since)s AND age_s > %(age_s)s AND unit_id = ANY (%(units)s::bigint[]);

-- name: answers
SELECT unit_id, attached FROM supervision_steps
WHERE step = 'ask sim provider' AND answered_at > %(since)s AND attached IS NOT NULL;

-- name: keep_states
INSERT INTO unit_supervision AS v (unit_id, municipality_id, state, cause, since, told, incident_id)
SELECT t.unit_id, u.municipality_id, t.state, t.cause, t.at, t.told, t.incident_id
FROM unnest(%(unit_id)s::bigint[], %(state)s::text[], %(cause)s::text[], %(at)s::timestamptz[], %(told)s::boolean[],
            %(incident_id)s::bigint[]) AS t(unit_id, state, cause, at, told, incident_id)
JOIN units u USING (unit_id)
ORDER BY t.unit_id
ON CONFLICT (unit_id) DO UPDATE SET
    state = excluded.state, cause = excluded.cause, since = excluded.since, incident_id = excluded.incident_id,
    told = excluded.told OR (v.told AND excluded.state NOT IN ('known', 'not_worn', 'absent'));

-- name: log_changes
INSERT INTO unit_supervision_log (unit_id, municipality_id, at, was, state, cause, told, incident_id)
SELECT t.unit_id, u.municipality_id, t.at, t.was, t.state, t.cause, t.told, t.incident_id
FROM unnest(%(unit_id)s::bigint[], %(at)s::timestamptz[], %(was)s::text[], %(state)s::text[], %(cause)s::text[],
            %(told)s::boolean[], %(incident_id)s::bigint[]) AS t(unit_id, at, was, state, cause, told, incident_id)
JOIN units u USING (unit_id)
ORDER BY t.at, t.unit_id;

-- name: ask_steps
INSERT INTO supervision_steps (unit_id, municipality_id, step, asked_at)
SELECT t.unit_id, u.municipality_id, t.step, t.at
FROM unnest(%(unit_id)s::bigint[], %(step)s::text[], %(at)s::timestamptz[]) AS t(unit_id, step, at)
JOIN units u USING (unit_id)
ORDER BY t.at, t.unit_id;

-- name: close_task
UPDATE technician_tasks SET closed_at = greatest(%(at)s, opened_at), closed_by = 'supervision'
WHERE unit_id = %(unit_id)s AND kind = %(kind)s AND closed_at IS NULL;

-- name: notify
SELECT pg_notify('livlina_supervision', %(what)s);

-- name: next_incident
SELECT coalesce(max(incident_id), 0) + 1 AS number FROM incidents;

-- name: keep_incident
INSERT INTO incidents (incident_id, kind, scopes, began_at, opened_at, closed_at, stage, report, late_presses)
VALUES (%(incident_id)s, %(kind)s, %(scopes)s, %(began_at)s, %(opened_at)s, %(closed_at)s, %(stage)s, %(report)s,
        %(late_presses)s)
ON CONFLICT (incident_id) DO UPDATE SET
    scopes = excluded.scopes, began_at = excluded.began_at, closed_at = excluded.closed_at, stage = excluded.stage,
    report = excluded.report, late_presses = excluded.late_presses;

-- name: incident_places
SELECT m.municipality_id, count(*) AS units FROM incident_units m JOIN incidents i USING (incident_id)
WHERE m.incident_id = %(incident_id)s AND (%(over)s OR i.closed_at IS NULL) GROUP BY m.municipality_id;

-- name: keep_members
INSERT INTO incident_units (incident_id, unit_id, municipality_id, fate, fate_at, since, single, switch_by, was_down,
                            priority, district, reference)
SELECT %(incident_id)s, t.unit_id, u.municipality_id, t.fate, t.fate_at, t.since, t.single, t.switch_by, t.was_down,
       t.priority, t.district, t.reference
FROM unnest(%(unit_id)s::bigint[], %(fate)s::text[], %(fate_at)s::timestamptz[], %(since)s::timestamptz[],
            %(single)s::boolean[], %(switch_by)s::timestamptz[], %(was_down)s::boolean[], %(priority)s::int[],
            %(district)s::text[], %(reference)s::text[])
     AS t(unit_id, fate, fate_at, since, single, switch_by, was_down, priority, district, reference)
JOIN units u USING (unit_id)
ORDER BY t.unit_id
ON CONFLICT (incident_id, unit_id) DO UPDATE SET
    fate = excluded.fate, fate_at = excluded.fate_at, since = excluded.since, single = excluded.single,
    switch_by = excluded.switch_by, was_down = excluded.was_down, priority = excluded.priority,
    district = excluded.district, reference = excluded.reference;

-- name: release_members
DELETE FROM incident_units WHERE incident_id = %(incident_id)s AND unit_id = ANY (%(units)s::bigint[]);

-- name: open_incidents
SELECT incident_id, kind, scopes, began_at, opened_at, stage, report, late_presses FROM incidents WHERE closed_at IS NULL
ORDER BY incident_id;

-- name: members
SELECT unit_id, fate, fate_at, since, single, switch_by, was_down, priority, district, reference
FROM incident_units WHERE incident_id = %(incident_id)s ORDER BY unit_id;

-- name: visits
-- Persons without any path, in the order in which to go; the same rule as fleet/supervision/incidents.py.
SELECT unit_id, priority, district, reference, since, fate = 'presumed' AS presumed FROM incident_units
WHERE incident_id = %(incident_id)s
  AND ((fate = 'down' AND (single OR switch_by < %(at)s)) OR (fate = 'presumed' AND single))
ORDER BY priority, district, reference, unit_id;
