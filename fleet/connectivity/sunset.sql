-- name: units
-- Units that somebody relies on, or will, with whose they are; one unit where a number is given.
SELECT u.unit_id, u.unit_type, u.municipality_id, u.life, s.modem, coalesce(c.district, '') AS district,
       coalesce(c.priority, 3) AS priority, coalesce(c.lives_alone, false) AS lives_alone, a.technologies
FROM units u
LEFT JOIN unit_states s USING (unit_id)
LEFT JOIN modem_answers a USING (unit_id)
LEFT JOIN unit_recipients r ON r.unit_id = u.unit_id AND r.until IS NULL
LEFT JOIN care_recipients c ON c.recipient_id = r.recipient_id
WHERE u.state = 'active' AND u.life <> 'retired'
  AND (%(unit)s::bigint IS NULL OR u.unit_id = %(unit)s::bigint)
ORDER BY u.unit_id;

-- name: bearers
SELECT unit_id, slot, operator, radio, last_seen, proven_at, proven_with FROM unit_bearers
WHERE %(unit)s::bigint IS NULL OR unit_id = %(unit)s::bigint
ORDER BY unit_id, slot, operator, radio;

-- name: sims
SELECT s.unit_id, s.slot, s.issuer, c.technologies AS allows FROM unit_sims s LEFT JOIN sims c USING (iccid)
WHERE %(unit)s::bigint IS NULL OR s.unit_id = %(unit)s::bigint
ORDER BY s.unit_id, s.slot;

-- name: changes
SELECT operator, technology, region, last_day, source, actor, at FROM sunset_changes ORDER BY change_id;

-- name: add_change
INSERT INTO sunset_changes (operator, technology, region, last_day, source, actor, at)
VALUES (%(operator)s, %(technology)s, %(region)s, %(last_day)s, %(source)s, %(actor)s, %(at)s);

-- name: keep_answer
INSERT INTO modem_answers AS a (unit_id, municipality_id, technologies, actor, at)
SELECT u.unit_id, u.municipality_id, %(technologies)s::text[], %(actor)s, %(at)s FROM units u WHERE u.unit_id = %(unit)s
ON CONFLICT (unit_id) DO UPDATE SET technologies = excluded.technologies, actor = excluded.actor, at = excluded.at
WHERE a.at <= excluded.at
RETURNING unit_id;

-- name: swaps
-- Units that were swapped, and how far that is: the proof of the new one, and where the old one is.
SELECT p.old_unit_id, p.unit_id AS new_unit_id, p.proof, u.life AS old_life
FROM pairings p JOIN units u ON u.unit_id = p.old_unit_id
WHERE p.old_unit_id = ANY (%(units)s::bigint[]) AND p.state <> 'abandoned'
ORDER BY p.pairing_id;
