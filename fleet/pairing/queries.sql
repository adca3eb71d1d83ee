-- Pairings.

-- name: lock_recipient
-- First of all locks of a pairing: two requests for one person wait for each other here.
SELECT recipient_id, municipality_id, reference FROM care_recipients
WHERE recipient_id = %(recipient_id)s AND ended_at IS NULL FOR UPDATE;

-- name: by_key
SELECT p.pairing_id, p.unit_id, p.recipient_id FROM pairings p
WHERE p.client_key = %(client_key)s AND p.municipality_id = %(municipality_id)s;

-- name: facts
SELECT u.unit_id, u.municipality_id, u.unit_type, u.state, u.life,
       (SELECT l.recipient_id FROM unit_recipients l WHERE l.unit_id = u.unit_id AND l.role = 'planned') AS meant_for,
       (SELECT l.recipient_id FROM unit_recipients l WHERE l.unit_id = u.unit_id AND l.role = 'responsible') AS had_by,
       (SELECT l.unit_id FROM unit_recipients l WHERE l.recipient_id = %(recipient_id)s AND l.role = 'responsible'
        AND l.unit_type = u.unit_type) AS has
FROM units u WHERE u.unit_id = %(unit_id)s FOR UPDATE OF u;

-- name: running
SELECT pairing_id, unit_id, recipient_id, started_by, started_at FROM pairings
WHERE state = 'open' AND (unit_id = %(unit_id)s OR recipient_id = %(recipient_id)s AND unit_type = %(unit_type)s);

-- name: add
INSERT INTO pairings (municipality_id, client_key, unit_id, unit_type, recipient_id, old_unit_id, state, steps,
                      started_by, started_at, changed_at)
VALUES (%(municipality_id)s, %(client_key)s, %(unit_id)s, %(unit_type)s, %(recipient_id)s, %(old_unit_id)s, 'open',
        %(steps)s, %(actor)s, %(at)s, %(at)s)
RETURNING pairing_id;

-- name: announce
SELECT pg_notify('livlina_pairings', '');

-- name: view
SELECT p.pairing_id, p.municipality_id, p.client_key::text AS client_key, p.unit_id, p.unit_type, p.recipient_id,
       r.reference, p.old_unit_id, p.state, p.steps, p.started_by, p.started_at, p.changed_at, p.ended_at, p.ended_by,
       p.end_reason, p.proof, p.fee_from, u.life,
       (SELECT s.signal FROM unit_states s WHERE s.unit_id = p.unit_id) AS signal,
       (SELECT s.seen_at FROM unit_states s WHERE s.unit_id = p.unit_id) AS seen_at,
       (SELECT c.case_id FROM cases c WHERE c.unit_id IN (p.unit_id, p.old_unit_id) AND c.state <> 'closed'
        AND NOT c.test ORDER BY c.case_id LIMIT 1) AS live_case
FROM pairings p JOIN units u USING (unit_id) LEFT JOIN care_recipients r USING (recipient_id)
WHERE p.pairing_id = %(pairing_id)s;

-- name: lock_pairing
SELECT pairing_id, municipality_id, unit_id, unit_type, recipient_id, old_unit_id, state, steps, started_by, started_at
FROM pairings WHERE pairing_id = %(pairing_id)s FOR UPDATE;

-- name: lock_pairing_if_free
SELECT pairing_id, municipality_id, unit_id, unit_type, recipient_id, old_unit_id, state, steps, started_by, started_at
FROM pairings WHERE pairing_id = %(pairing_id)s AND state = 'open' FOR UPDATE SKIP LOCKED;

-- name: save
UPDATE pairings SET steps = %(steps)s, changed_at = %(at)s WHERE pairing_id = %(pairing_id)s AND state = 'open';

-- name: give_up
UPDATE pairings SET state = 'abandoned', steps = %(steps)s, changed_at = %(at)s, ended_at = %(at)s,
                    ended_by = %(actor)s, end_reason = %(reason)s
WHERE pairing_id = %(pairing_id)s AND state = 'open';

-- name: prove
UPDATE pairings SET state = 'active', steps = %(steps)s, changed_at = %(at)s, ended_at = %(at)s, ended_by = %(actor)s,
                    proof = %(proof)s, fee_from = %(fee_from)s
WHERE pairing_id = %(pairing_id)s AND state = 'open';

-- name: open_pairings
SELECT pairing_id, unit_id, old_unit_id, steps, started_at FROM pairings WHERE state = 'open' ORDER BY pairing_id;

-- name: proofs
-- Test presses of these units that a centre has answered, with what the unit said of its way.
SELECT b.unit_id, b.input, b.boot, b.seq, p.received_at, b.at, b.bearer, p.attempt,
       greatest(0, extract(epoch FROM b.at - p.received_at)::int + coalesce(least(p.age_s, 86400), 0)::int) AS seconds,
       (SELECT s.signal FROM unit_states s WHERE s.unit_id = b.unit_id) AS signal
FROM button_proofs b JOIN presses p USING (unit_id, boot, seq)
WHERE b.unit_id = ANY (%(units)s::bigint[]) AND p.received_at >= %(since)s
ORDER BY b.unit_id, p.received_at, b.seq;

-- name: answers
SELECT c.unit_id, c.number, c.result, c.answered_at, c.sent_at FROM unit_commands c
JOIN unnest(%(unit_id)s::bigint[], %(number)s::bigint[]) AS t(unit_id, number) USING (unit_id, number);

-- name: push_again
SELECT pg_notify('livlina_commands', %(unit)s);

-- name: zone
SELECT zone FROM municipalities WHERE municipality_id = %(municipality_id)s;

-- name: of_unit
SELECT pairing_id, state, started_by, started_at, ended_at, ended_by, end_reason, proof, fee_from
FROM pairings WHERE unit_id = %(unit_id)s ORDER BY pairing_id DESC LIMIT 20;
