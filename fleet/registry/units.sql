-- Units: what they are made of, and their life.

-- name: lock_unit
SELECT unit_id, municipality_id, unit_type, state, life, life_until,
       -- Meant for somebody before the pairing began, or by the pairing alone.
       CASE WHEN life = 'pairing'
            THEN (SELECT l.was FROM unit_life_log l WHERE l.unit_id = units.unit_id AND l.event = 'pair'
                  ORDER BY l.entry_id DESC LIMIT 1) = 'assigned'
            ELSE EXISTS (SELECT 1 FROM unit_recipients r WHERE r.unit_id = units.unit_id AND r.role = 'planned')
       END AS planned
FROM units WHERE unit_id = %(unit_id)s FOR UPDATE;

-- name: known
SELECT unit_id FROM units WHERE unit_id = %(unit_id)s;

-- name: describe
UPDATE units SET board = coalesce(%(board)s::text, board), modem = coalesce(%(modem)s::text, modem),
                 owner = coalesce(%(owner)s::text, owner)
WHERE unit_id = %(unit_id)s RETURNING unit_id;

-- name: set_input
INSERT INTO unit_inputs (unit_id, input, municipality_id, kind, serial)
SELECT unit_id, %(input)s, municipality_id, %(kind)s, %(serial)s FROM units WHERE unit_id = %(unit_id)s
ON CONFLICT (unit_id, input) DO UPDATE SET kind = excluded.kind, serial = excluded.serial;

-- name: forget_inputs
DELETE FROM unit_inputs WHERE unit_id = %(unit_id)s AND NOT input = ANY (%(keep)s::int[]);

-- name: inputs
SELECT input, kind, serial FROM unit_inputs WHERE unit_id = %(unit_id)s ORDER BY input;

-- name: set_sim
INSERT INTO unit_sims (unit_id, slot, municipality_id, iccid, issuer)
SELECT unit_id, %(slot)s, municipality_id, %(iccid)s, %(issuer)s FROM units WHERE unit_id = %(unit_id)s
ON CONFLICT (unit_id, slot) DO UPDATE SET iccid = excluded.iccid, issuer = excluded.issuer;

-- name: sims
SELECT slot, iccid, issuer FROM unit_sims WHERE unit_id = %(unit_id)s ORDER BY slot;

-- name: set_life
UPDATE units SET life = %(life)s, life_at = %(at)s, life_until = %(until)s WHERE unit_id = %(unit_id)s;

-- name: set_grounds
-- With the life in one statement: without grounds nobody may rely on a unit.
UPDATE units SET life = %(life)s, life_at = %(at)s, life_until = %(until)s, grounds = %(grounds)s
WHERE unit_id = %(unit_id)s;

-- name: log_life
INSERT INTO unit_life_log (unit_id, municipality_id, at, event, was, became, until, actor)
VALUES (%(unit_id)s, %(municipality_id)s, %(at)s, %(event)s, %(was)s, %(became)s, %(until)s, %(actor)s);

-- name: life_log
SELECT at, event, was, became, until, actor FROM unit_life_log WHERE unit_id = %(unit_id)s ORDER BY entry_id DESC
LIMIT %(most)s;

-- name: plan_for
INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since)
SELECT u.unit_id, r.recipient_id, u.municipality_id, u.unit_type, 'planned', %(at)s
FROM units u, care_recipients r
WHERE u.unit_id = %(unit_id)s AND r.recipient_id = %(recipient_id)s AND r.municipality_id = u.municipality_id
  AND r.ended_at IS NULL
RETURNING unit_id;

-- name: planned_for
SELECT recipient_id FROM unit_recipients WHERE unit_id = %(unit_id)s AND role = 'planned';

-- name: promote
UPDATE unit_recipients SET role = 'responsible', since = %(at)s WHERE unit_id = %(unit_id)s AND role = 'planned'
RETURNING recipient_id;

-- name: unplan
DELETE FROM unit_recipients WHERE unit_id = %(unit_id)s AND role = 'planned';

-- name: end_link
UPDATE unit_recipients SET role = 'former', until = %(at)s WHERE unit_id = %(unit_id)s AND role = 'responsible';

-- name: wipe_links
DELETE FROM unit_recipients WHERE unit_id = %(unit_id)s;

-- name: wipe_pairings
-- Rooms and recipient go; that the unit was proven, when and by whom, stays.
UPDATE pairings SET recipient_id = NULL, steps = '[]' WHERE unit_id = %(unit_id)s AND state <> 'open';

-- name: revoke
UPDATE units SET state = 'revoked', revoked_at = coalesce(revoked_at, %(at)s) WHERE unit_id = %(unit_id)s;

-- name: revoke_certificates
UPDATE unit_certificates SET revoked_at = %(at)s WHERE unit_id = %(unit_id)s AND revoked_at IS NULL;

-- name: announce
SELECT pg_notify('livlina_units', %(unit)s);

-- name: absences_over
SELECT unit_id FROM units WHERE life = 'absent' AND life_until <= %(at)s ORDER BY life_until LIMIT %(most)s;
