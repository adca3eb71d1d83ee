-- Recipients, and the sealed part of what is known of them.

-- name: add
INSERT INTO care_recipients (municipality_id, reference, priority, district, protected, lives_alone, made_at)
VALUES (%(municipality_id)s, %(reference)s, %(priority)s, %(district)s, %(protected)s, %(lives_alone)s, %(at)s)
RETURNING recipient_id;

-- name: change
UPDATE care_recipients SET priority = %(priority)s, district = %(district)s, protected = %(protected)s,
    lives_alone = %(lives_alone)s
WHERE recipient_id = %(recipient_id)s RETURNING municipality_id;

-- name: recipient
SELECT r.recipient_id, r.municipality_id, r.reference, r.priority, r.district, r.protected, r.lives_alone, r.made_at,
       r.ended_at, m.name AS municipality
FROM care_recipients r JOIN municipalities m USING (municipality_id) WHERE r.recipient_id = %(recipient_id)s;

-- name: by_reference
SELECT recipient_id, municipality_id, reference, protected FROM care_recipients
WHERE reference = %(reference)s AND ended_at IS NULL ORDER BY recipient_id;

-- name: open_cases
-- Open cases of units that this recipient has or is getting.
SELECT c.case_id FROM cases c JOIN unit_recipients l USING (unit_id)
WHERE l.recipient_id = %(recipient_id)s AND c.state <> 'closed' AND NOT c.test;

-- name: on_the_list
SELECT 1 AS found FROM protected_staff WHERE recipient_id = %(recipient_id)s AND person = %(person)s;

-- name: staff
SELECT person, added_by, added_at FROM protected_staff WHERE recipient_id = %(recipient_id)s ORDER BY person;

-- name: add_staff
INSERT INTO protected_staff (recipient_id, person, municipality_id, added_by, added_at)
SELECT recipient_id, %(person)s, municipality_id, %(actor)s, %(at)s FROM care_recipients
WHERE recipient_id = %(recipient_id)s ON CONFLICT (recipient_id, person) DO NOTHING RETURNING municipality_id;

-- name: remove_staff
DELETE FROM protected_staff WHERE recipient_id = %(recipient_id)s AND person = %(person)s RETURNING municipality_id;

-- name: note_opening
-- Without RETURNING: what row level security lets be written need not be readable.
INSERT INTO recipient_openings (municipality_id, recipient_id, actor, at, kind, case_id, reason)
VALUES (%(municipality_id)s, %(recipient_id)s, %(actor)s, %(at)s, %(kind)s, %(case_id)s, %(reason)s);

-- name: sealed
SELECT sealed FROM care_persons WHERE recipient_id = %(recipient_id)s;

-- name: seal
INSERT INTO care_persons (recipient_id, municipality_id, sealed, sealed_at)
VALUES (%(recipient_id)s, %(municipality_id)s, %(sealed)s, %(at)s)
ON CONFLICT (recipient_id) DO UPDATE SET sealed = excluded.sealed, sealed_at = excluded.sealed_at;

-- name: openings
-- Newest first, for whoever answers for the fleet. `reason` is of a break-glass and in somebody's own words.
SELECT o.opening_id, o.recipient_id, r.reference, o.actor, o.at, o.kind, o.case_id, o.reason, o.seen_at, o.seen_by
FROM recipient_openings o JOIN care_recipients r USING (recipient_id)
WHERE (%(recipient_id)s::bigint IS NULL OR o.recipient_id = %(recipient_id)s::bigint)
  AND (NOT %(unseen)s OR o.seen_at IS NULL)
  AND (%(before)s::bigint IS NULL OR o.opening_id < %(before)s::bigint)
ORDER BY o.opening_id DESC LIMIT %(most)s;

-- name: see_openings
UPDATE recipient_openings SET seen_at = %(at)s, seen_by = %(actor)s
WHERE opening_id = ANY (%(openings)s::bigint[]) AND seen_at IS NULL;

-- name: units
SELECT l.unit_id, l.unit_type, l.role, l.since, u.life, u.state AS registered
FROM unit_recipients l JOIN units u USING (unit_id)
WHERE l.recipient_id = %(recipient_id)s ORDER BY l.until NULLS FIRST, l.since DESC LIMIT 50;
