-- The registry's statements.

-- name: add_municipality
INSERT INTO municipalities (municipality_id, name) VALUES (%(municipality_id)s, %(name)s)
ON CONFLICT (municipality_id) DO UPDATE SET name = excluded.name;

-- name: known_municipalities
SELECT municipality_id FROM municipalities WHERE municipality_id > 0;

-- name: known_units
SELECT unit_id FROM units;

-- name: add_unit
INSERT INTO units (unit_id, municipality_id, unit_type) VALUES (%(unit_id)s, %(municipality_id)s, %(unit_type)s);

-- name: add_key
INSERT INTO unit_keys (unit_id, generation, municipality_id, secret)
VALUES (%(unit_id)s, %(generation)s, %(municipality_id)s, %(secret)s);

-- name: add_certificate
INSERT INTO unit_certificates (fingerprint, unit_id, municipality_id, serial)
VALUES (%(fingerprint)s, %(unit_id)s, %(municipality_id)s, %(serial)s);

-- name: free_unit_number
SELECT coalesce(max(unit_id), 0) + 1 AS unit_id FROM units;

-- name: keys_of_units
-- Asked in one go for all units that a tick of datagrams names for the first time.
SELECT u.unit_id, u.municipality_id, u.unit_type, u.state, k.generation, k.secret, k.counter_high
FROM units u JOIN unit_keys k USING (unit_id) WHERE u.unit_id = ANY (%(units)s::bigint[]);

-- name: certificate
SELECT c.unit_id, c.municipality_id, u.state, c.revoked_at
FROM unit_certificates c JOIN units u USING (unit_id) WHERE c.fingerprint = %(fingerprint)s;

-- name: add_centre
INSERT INTO centres (municipality_id, name, protocol, host, port)
VALUES (%(municipality_id)s, %(name)s, %(protocol)s, %(host)s, %(port)s)
ON CONFLICT (name) DO UPDATE SET protocol = excluded.protocol, host = excluded.host, port = excluded.port
RETURNING centre_id;

-- name: route_to
INSERT INTO routes (municipality_id, rank, centre_id) VALUES (%(municipality_id)s, 1, %(centre_id)s)
ON CONFLICT (municipality_id, rank) DO UPDATE SET centre_id = excluded.centre_id;

-- name: add_user
INSERT INTO users (municipality_id, login, password_hash, role, municipalities)
VALUES (0, %(login)s, %(password_hash)s, 'operator', %(municipalities)s)
ON CONFLICT (login) DO UPDATE SET password_hash = excluded.password_hash, municipalities = excluded.municipalities;

-- name: end_sessions
DELETE FROM web_sessions WHERE user_id = (SELECT user_id FROM users WHERE login = %(login)s);

-- name: announce_unit
SELECT pg_notify('livlina_units', %(unit)s);
