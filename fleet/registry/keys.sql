-- Key generations.

-- name: doubt_all
UPDATE unit_keys SET restored_at = %(at)s WHERE ended_at IS NULL;

-- name: forget_orders
-- They may have been obeyed in what the database has lost; answered or not, they are not sent again.
UPDATE unit_commands SET expires_at = %(at)s
WHERE answered_at IS NULL AND kind <> 1 AND (expires_at IS NULL OR expires_at > %(at)s);

-- name: next_generation
SELECT u.municipality_id, u.state, max(k.generation) + 1 AS generation
FROM units u JOIN unit_keys k USING (unit_id) WHERE u.unit_id = %(unit_id)s GROUP BY u.unit_id;

-- name: add_key
INSERT INTO unit_keys (unit_id, generation, municipality_id, secret)
VALUES (%(unit_id)s, %(generation)s, %(municipality_id)s, %(secret)s);

-- name: announce
SELECT pg_notify('livlina_units', %(unit)s);

-- name: notices
SELECT n.unit_id, n.hour, n.municipality_id, n.stale, n.unproven, n.repeated, n.moved, n.first_at, n.last_at
FROM security_notices n WHERE n.hour >= %(since)s ORDER BY n.hour, n.unit_id;
