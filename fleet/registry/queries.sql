-- The registry's statements.

-- name: add_municipality
INSERT INTO municipalities (municipality_id, name) VALUES (%(municipality_id)s, %(name)s)
ON CONFLICT (municipality_id) DO UPDATE SET name = excluded.name;

-- name: let_positions_go
UPDATE municipalities SET positions_to_centres = %(allowed)s WHERE municipality_id = %(municipality_id)s
RETURNING municipality_id;

-- name: known_municipalities
SELECT municipality_id FROM municipalities WHERE municipality_id > 0;

-- name: known_units
SELECT unit_id FROM units;

-- name: add_unit
INSERT INTO units (unit_id, municipality_id, unit_type, order_number)
VALUES (%(unit_id)s, %(municipality_id)s, %(unit_type)s, %(order_number)s);

-- name: take_order
-- One station at a time counts an order's units and adds one.
SELECT pg_advisory_xact_lock(hashtextextended('order ' || %(order_number)s, 0));

-- name: units_of_order
SELECT count(*) AS units FROM units WHERE order_number = %(order_number)s AND life <> 'retired';

-- name: add_key
INSERT INTO unit_keys (unit_id, generation, municipality_id, secret)
VALUES (%(unit_id)s, %(generation)s, %(municipality_id)s, %(secret)s);

-- name: add_certificate
INSERT INTO unit_certificates (fingerprint, unit_id, municipality_id, serial, station)
VALUES (%(fingerprint)s, %(unit_id)s, %(municipality_id)s, %(serial)s, %(station)s);

-- name: units_of_station
SELECT DISTINCT unit_id FROM unit_certificates WHERE station = %(station)s AND revoked_at IS NULL ORDER BY unit_id;

-- name: tell_station
-- Of units whose certificate says nothing about who signed it; the root's are among them, so a person says which they are.
UPDATE unit_certificates c SET station = %(station)s
FROM unnest(%(unit_ids)s::bigint[], %(fingerprints)s::bytea[]) AS t(unit_id, fingerprint)
WHERE c.unit_id = t.unit_id AND c.station IS NULL AND (t.fingerprint IS NULL OR t.fingerprint = c.fingerprint)
RETURNING c.unit_id;

-- name: tell_order
UPDATE units u SET order_number = t.order_number
FROM unnest(%(unit_ids)s::bigint[], %(orders)s::text[]) AS t(unit_id, order_number)
WHERE u.unit_id = t.unit_id AND u.order_number IS NULL AND t.order_number IS NOT NULL
RETURNING u.unit_id;

-- name: free_unit_number
SELECT coalesce(max(unit_id), 0) + 1 AS unit_id FROM units;

-- name: keys_of_units
-- Asked in one go for all units that a tick of datagrams names for the first time.
SELECT u.unit_id, u.municipality_id, u.unit_type, u.state, k.generation, k.secret, k.counter_high
FROM units u JOIN unit_keys k USING (unit_id) WHERE u.unit_id = ANY (%(units)s::bigint[]) AND k.ended_at IS NULL;

-- name: certificate
SELECT c.unit_id, c.municipality_id, u.state, c.revoked_at
FROM unit_certificates c JOIN units u USING (unit_id) WHERE c.fingerprint = %(fingerprint)s;

-- name: add_centre
INSERT INTO centres (municipality_id, name, protocol, host, port, options, reports_taken)
VALUES (%(municipality_id)s, %(name)s, %(protocol)s, %(host)s, %(port)s, coalesce(%(options)s::jsonb, '{}'),
        coalesce(%(reports_taken)s::text, 'console'))
ON CONFLICT (name) DO UPDATE SET
    protocol = excluded.protocol, host = excluded.host, port = excluded.port,
    options = coalesce(%(options)s::jsonb, centres.options),
    reports_taken = coalesce(%(reports_taken)s::text, centres.reports_taken)
RETURNING centre_id;

-- name: centre_by_name
SELECT centre_id, name, protocol, host, port, reports_taken, options FROM centres
WHERE name = %(name)s AND removed_at IS NULL FOR UPDATE;

-- name: list_centres
SELECT n.centre_id, n.name, n.protocol, n.host, n.port, n.reports_taken, n.options,
       coalesce(h.state, 'good') AS state, h.since,
       (SELECT count(*) FROM outbox o WHERE o.centre_id = n.centre_id AND o.delivered_at IS NULL
        AND o.withdrawn_at IS NULL) AS owed,
       (SELECT coalesce(array_agg(kind ORDER BY kind), '{}') FROM centre_secrets s
        WHERE s.centre_id = n.centre_id) AS secrets,
       (SELECT coalesce(array_agg(DISTINCT w.way ORDER BY w.way), '{}') FROM (
            SELECT format('%%s %%s rank %%s', r.municipality_id, 'any', r.rank) AS way FROM routes r
            WHERE r.centre_id = n.centre_id
            UNION ALL
            SELECT format('%%s %%s rank %%s', t.municipality_id, t.unit_type, t.rank) FROM type_routes t
            WHERE t.centre_id = n.centre_id AND t.valid_from = (
                SELECT max(v.valid_from) FROM type_routes v
                WHERE v.municipality_id = t.municipality_id AND v.unit_type = t.unit_type AND v.rank = t.rank
                  AND v.valid_from <= %(at)s)) w) AS routes
FROM centres n LEFT JOIN centre_health h USING (centre_id)
WHERE n.removed_at IS NULL ORDER BY n.name;

-- name: uses_of_centre
SELECT
    (SELECT coalesce(array_agg(DISTINCT u.municipality_id ORDER BY u.municipality_id), '{}') FROM (
        SELECT r.municipality_id FROM routes r WHERE r.centre_id = %(centre_id)s
        UNION ALL
        SELECT t.municipality_id FROM type_routes t
        WHERE t.centre_id = %(centre_id)s AND t.valid_from >= coalesce((
            SELECT max(v.valid_from) FROM type_routes v
            WHERE v.municipality_id = t.municipality_id AND v.unit_type = t.unit_type AND v.rank = t.rank
              AND v.valid_from <= %(at)s), '-infinity')) u) AS routes,
    (SELECT coalesce(array_agg(p.name ORDER BY p.name), '{}') FROM recipients p
     WHERE p.centre_id = %(centre_id)s) AS recipients,
    (SELECT count(*) FROM outbox o WHERE o.centre_id = %(centre_id)s AND o.delivered_at IS NULL
     AND o.withdrawn_at IS NULL) AS owed;

-- name: forget_health
DELETE FROM centre_health WHERE centre_id = %(centre_id)s;

-- name: forget_secrets
DELETE FROM centre_secrets WHERE centre_id = %(centre_id)s;

-- name: remove_centre
-- Another name, so that nobody can send alarms there by it, and so that it is free again.
UPDATE centres SET removed_at = %(at)s, name = format('%%s (removed, was centre %%s)', name, centre_id)
WHERE centre_id = %(centre_id)s;

-- name: route_to
INSERT INTO routes (municipality_id, rank, centre_id) VALUES (%(municipality_id)s, %(rank)s, %(centre_id)s)
ON CONFLICT (municipality_id, rank) DO UPDATE SET centre_id = excluded.centre_id;

-- name: route_type_to
INSERT INTO type_routes (municipality_id, unit_type, rank, valid_from, centre_id)
VALUES (%(municipality_id)s, %(unit_type)s, %(rank)s, %(at)s, %(centre_id)s)
ON CONFLICT (municipality_id, unit_type, rank, valid_from) DO UPDATE SET centre_id = excluded.centre_id;

-- name: routed_types
SELECT DISTINCT ON (unit_type) unit_type, centre_id FROM type_routes
WHERE municipality_id = %(municipality_id)s AND rank = %(rank)s AND valid_from <= %(at)s
ORDER BY unit_type, valid_from DESC;

-- name: add_user
INSERT INTO users (municipality_id, login, password_hash, role, municipalities)
VALUES (0, %(login)s, %(password_hash)s, 'operator', %(municipalities)s)
ON CONFLICT (login) DO UPDATE SET password_hash = excluded.password_hash, municipalities = excluded.municipalities;

-- name: end_sessions
DELETE FROM web_sessions WHERE user_id = (SELECT user_id FROM users WHERE login = %(login)s);

-- name: announce_unit
SELECT pg_notify('livlina_units', %(unit)s);
