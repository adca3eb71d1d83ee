-- name: units
SELECT u.unit_id, u.municipality_id, u.unit_type, u.life, u.life_until, u.state AS registered, u.made_at, u.board, u.modem,
       u.owner, s.seen_at, s.due_at, s.bearer, s.battery, s.flags, s.version
FROM units u LEFT JOIN unit_states s USING (unit_id)
WHERE u.unit_id > %(after)s
  AND (%(municipality)s::int IS NULL OR u.municipality_id = %(municipality)s::int)
  AND (%(life)s::text IS NULL OR u.life = %(life)s::text)
  AND (%(unit_type)s::text IS NULL OR u.unit_type = %(unit_type)s::text)
  AND (NOT %(overdue)s OR (u.state = 'active' AND (s.due_at IS NULL OR s.due_at < %(at)s)))
ORDER BY u.unit_id LIMIT %(most)s;

-- name: unit
SELECT u.unit_id, u.municipality_id, u.unit_type, u.life, u.life_until, u.state AS registered, u.made_at, u.board, u.modem,
       u.owner, s.seen_at, s.due_at, s.bearer, s.battery, s.flags, s.version, s.transport, s.signal, s.status_at, s.reboot,
       s.uptime, s.heap_low, s.temperature, s.battery_mv, s.supply_mv
FROM units u LEFT JOIN unit_states s USING (unit_id)
WHERE u.unit_id = %(unit_id)s;

-- name: proofs
SELECT DISTINCT ON (input) input, bearer, at FROM button_proofs WHERE unit_id = %(unit_id)s ORDER BY input, at DESC;

-- name: of_unit
SELECT unit_id, municipality_id, unit_type FROM units WHERE unit_id = %(unit_id)s;

-- name: lock_numbers
SELECT pg_advisory_xact_lock(hashtextextended('livlina.unit_commands', %(unit_id)s));

-- name: queue
-- As fleet/ingest/commands.sql numbers them: numbers of a unit only grow, whoever orders.
INSERT INTO unit_commands (unit_id, number, municipality_id, kind, args, actor, queued_at, expires_at)
SELECT u.unit_id,
       greatest(%(milliseconds)s::bigint, 1 + coalesce((SELECT max(c.number) FROM unit_commands c
                                                        WHERE c.unit_id = u.unit_id), 0)),
       u.municipality_id, %(kind)s, %(args)s, %(actor)s, %(at)s, %(expires_at)s
FROM units u WHERE u.unit_id = %(unit_id)s
RETURNING number;

-- name: announce_command
SELECT pg_notify('livlina_commands', %(unit)s);

-- name: commands
SELECT number, kind, actor, queued_at, expires_at, sends, sent_at, answered_at, result FROM unit_commands
WHERE unit_id = %(unit_id)s AND (%(before)s::bigint IS NULL OR number < %(before)s::bigint)
ORDER BY number DESC LIMIT %(most)s;
