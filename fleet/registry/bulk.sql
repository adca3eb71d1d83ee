-- Units and recipients many at a time. Runs as livlina_registry; without persons as livlina_web too, which row level
-- security keeps to its municipalities and to units that nobody relies on.

-- name: municipalities
SELECT municipality_id FROM municipalities WHERE municipality_id > 0;

-- name: known_units
SELECT unit_id, municipality_id, unit_type, life FROM units WHERE unit_id = ANY (%(units)s::bigint[]);

-- name: known_recipients
SELECT r.recipient_id, r.municipality_id, r.reference, r.protected FROM care_recipients r
JOIN unnest(%(municipality)s::int[], %(reference)s::text[]) AS k(municipality_id, reference)
    USING (municipality_id, reference);

-- name: responsible
-- Who has a unit of a type already, and which.
SELECT l.recipient_id, l.unit_type, l.unit_id FROM unit_recipients l
WHERE l.role = 'responsible' AND l.recipient_id = ANY (%(recipients)s::bigint[]);

-- name: put_recipients
-- Who lives alone stays as it was where a file does not say.
INSERT INTO care_recipients AS r (municipality_id, reference, priority, district, protected, lives_alone, made_at, ended_at)
SELECT * FROM unnest(%(municipality)s::int[], %(reference)s::text[], %(priority)s::int[], %(district)s::text[],
                     %(protected)s::boolean[], %(lives_alone)s::boolean[], %(made_at)s::timestamptz[],
                     %(ended_at)s::timestamptz[])
ON CONFLICT (municipality_id, reference) DO UPDATE SET
    priority = excluded.priority, district = excluded.district, protected = excluded.protected,
    lives_alone = coalesce(excluded.lives_alone, r.lives_alone), ended_at = excluded.ended_at
WHERE (r.priority, r.district, r.protected, r.lives_alone, r.ended_at) IS DISTINCT FROM
      (excluded.priority, excluded.district, excluded.protected, coalesce(excluded.lives_alone, r.lives_alone),
       excluded.ended_at)
RETURNING (xmax = 0) AS added;

-- name: put_units
-- The life of a known unit is changed by its events, never here.
INSERT INTO units (unit_id, municipality_id, unit_type, life, life_at, life_until, grounds, made_at, revoked_at, state, board,
                   modem, owner)
SELECT t.*, b.board, b.modem, b.owner FROM (
    SELECT u.unit_id, u.municipality_id, u.unit_type, u.life, u.life_at, u.life_until, u.grounds, u.made_at, u.revoked_at,
           CASE WHEN u.revoked_at IS NULL THEN 'active' ELSE 'revoked' END AS state
    FROM unnest(%(unit)s::bigint[], %(municipality)s::int[], %(type)s::text[], %(life)s::text[],
                %(life_at)s::timestamptz[], %(life_until)s::timestamptz[], %(grounds)s::text[],
                %(made_at)s::timestamptz[], %(revoked_at)s::timestamptz[])
        AS u(unit_id, municipality_id, unit_type, life, life_at, life_until, grounds, made_at, revoked_at)) t
JOIN unnest(%(unit)s::bigint[], %(board)s::text[], %(modem)s::text[], %(owner)s::text[]) AS b(unit_id, board, modem, owner)
    USING (unit_id)
ON CONFLICT (unit_id) DO UPDATE SET board = excluded.board, modem = excluded.modem, owner = excluded.owner
WHERE (units.board, units.modem, units.owner) IS DISTINCT FROM (excluded.board, excluded.modem, excluded.owner)
RETURNING (xmax = 0) AS added;

-- name: put_life_log
INSERT INTO unit_life_log (unit_id, municipality_id, at, event, was, became, until, actor)
SELECT t.unit_id, t.municipality_id, %(at)s, 'import', 'made', t.life, t.until, %(actor)s
FROM unnest(%(unit)s::bigint[], %(municipality)s::int[], %(life)s::text[], %(life_until)s::timestamptz[])
    AS t(unit_id, municipality_id, life, until);

-- name: clear_inputs
DELETE FROM unit_inputs i WHERE i.unit_id = ANY (%(units)s::bigint[])
  AND NOT EXISTS (SELECT 1 FROM unnest(%(unit)s::bigint[], %(input)s::int[]) AS k(unit_id, input)
                  WHERE k.unit_id = i.unit_id AND k.input = i.input);

-- name: put_inputs
INSERT INTO unit_inputs (unit_id, input, municipality_id, kind, serial)
SELECT t.unit_id, t.input, u.municipality_id, t.kind, t.serial
FROM unnest(%(unit)s::bigint[], %(input)s::int[], %(kind)s::text[], %(serial)s::text[]) AS t(unit_id, input, kind, serial)
JOIN units u USING (unit_id)
ON CONFLICT (unit_id, input) DO UPDATE SET kind = excluded.kind, serial = excluded.serial;

-- name: clear_sims
DELETE FROM unit_sims s WHERE s.unit_id = ANY (%(units)s::bigint[])
  AND NOT EXISTS (SELECT 1 FROM unnest(%(unit)s::bigint[], %(slot)s::int[]) AS k(unit_id, slot)
                  WHERE k.unit_id = s.unit_id AND k.slot = s.slot);

-- name: put_sims
INSERT INTO unit_sims (unit_id, slot, municipality_id, iccid, issuer)
SELECT t.unit_id, t.slot, u.municipality_id, t.iccid, t.issuer
FROM unnest(%(unit)s::bigint[], %(slot)s::int[], %(iccid)s::text[], %(issuer)s::text[]) AS t(unit_id, slot, iccid, issuer)
JOIN units u USING (unit_id)
ON CONFLICT (unit_id, slot) DO UPDATE SET iccid = excluded.iccid, issuer = excluded.issuer;

-- name: put_links
-- Of units that are new here. One look by each key for every row: where the tables were empty a moment ago a join would be
-- planned without knowing them, every unit of a municipality against every recipient of it.
INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since)
SELECT t.unit_id, r.recipient_id, u.municipality_id, u.unit_type, t.role, t.since
FROM unnest(%(unit)s::bigint[], %(reference)s::text[], %(role)s::text[], %(since)s::timestamptz[])
    AS t(unit_id, reference, role, since)
CROSS JOIN LATERAL (SELECT municipality_id, unit_type FROM units WHERE unit_id = t.unit_id OFFSET 0) u
CROSS JOIN LATERAL (SELECT recipient_id FROM care_recipients
                    WHERE municipality_id = u.municipality_id AND reference = t.reference OFFSET 0) r;

-- name: announce
SELECT pg_notify('livlina_units', lpad(to_hex(unit), 8, '0')) FROM unnest(%(unit)s::bigint[]) AS unit;

-- name: recipient_numbers
SELECT recipient_id, municipality_id, reference FROM care_recipients
WHERE municipality_id = ANY (%(municipalities)s::int[]);

-- name: put_persons
INSERT INTO care_persons (recipient_id, municipality_id, sealed, sealed_at)
SELECT t.recipient_id, t.municipality_id, t.sealed, %(at)s
FROM unnest(%(recipient)s::bigint[], %(municipality)s::int[], %(sealed)s::bytea[]) AS t(recipient_id, municipality_id, sealed)
ON CONFLICT (recipient_id) DO UPDATE SET sealed = excluded.sealed, sealed_at = excluded.sealed_at;

-- name: note_openings
INSERT INTO recipient_openings (municipality_id, recipient_id, actor, at, kind, reason)
SELECT t.municipality_id, t.recipient_id, %(actor)s, %(at)s, %(kind)s, %(reason)s
FROM unnest(%(recipient)s::bigint[], %(municipality)s::int[]) AS t(recipient_id, municipality_id);

-- name: recipients
SELECT municipality_id AS municipality, reference, priority, district, protected, lives_alone, made_at, ended_at
FROM care_recipients WHERE %(municipalities)s::int[] IS NULL OR municipality_id = ANY (%(municipalities)s::int[])
ORDER BY municipality_id, reference;

-- name: persons
SELECT p.recipient_id, r.municipality_id AS municipality, r.reference, p.sealed
FROM care_persons p JOIN care_recipients r USING (recipient_id)
WHERE (%(protected)s OR NOT r.protected) AND (%(municipalities)s::int[] IS NULL OR r.municipality_id = ANY (%(municipalities)s::int[]));

-- name: units
SELECT u.unit_id, u.municipality_id AS municipality, u.unit_type AS type, u.life, u.life_at, u.life_until, u.grounds, u.made_at,
       CASE WHEN u.state = 'revoked' THEN coalesce(u.revoked_at, u.made_at) END AS revoked_at, u.board, u.modem, u.owner,
       (SELECT jsonb_agg(jsonb_build_array(i.input, i.kind, i.serial) ORDER BY i.input)
        FROM unit_inputs i WHERE i.unit_id = u.unit_id) AS inputs,
       (SELECT jsonb_agg(jsonb_build_array(s.slot, s.iccid, s.issuer) ORDER BY s.slot)
        FROM unit_sims s WHERE s.unit_id = u.unit_id) AS sims,
       r.reference AS recipient, l.role AS recipient_role, l.since AS recipient_since
FROM units u
LEFT JOIN unit_recipients l ON l.unit_id = u.unit_id AND l.until IS NULL
LEFT JOIN care_recipients r USING (recipient_id)
WHERE %(municipalities)s::int[] IS NULL OR u.municipality_id = ANY (%(municipalities)s::int[])
ORDER BY u.unit_id;
