-- The content of rows that the chain stands for, by key. Only columns that never change once the row is chained.

-- name: audit
SELECT r.record_id::text AS key, r.municipality_id, r.at, r.actor, r.action, r.subject, r.detail
FROM audit_records r WHERE r.record_id = ANY (%(keys)s::text[]::bigint[]);

-- name: case_log
SELECT l.position::text AS key, l.municipality_id, l.at, l.case_id, l.change, l.actor, l.detail
FROM case_log l WHERE l.position = ANY (%(keys)s::text[]::bigint[]);

-- name: press
SELECT p.unit_id || '/' || p.boot || '/' || p.seq AS key, p.municipality_id, p.received_at AS at, p.case_id, p.pressed_at,
       p.transport, p.generation, p.counter, p.kind, p.input, p.count, p.age_s, p.attempt, p.bearer, p.battery, p.flags,
       p.clock, p.raw
FROM unnest(%(keys)s::text[]) AS k(key)
JOIN presses p ON p.unit_id = split_part(k.key, '/', 1)::bigint AND p.boot = split_part(k.key, '/', 2)::bigint
              AND p.seq = split_part(k.key, '/', 3)::bigint;

-- name: receipt
-- What a unit is told of its press: 2 accepted by a centre, 3 taken by a person.
SELECT k.key, p.municipality_id, CASE split_part(k.key, '/', 4) WHEN '2' THEN p.accepted_at ELSE p.taken_at END AS at,
       p.case_id
FROM unnest(%(keys)s::text[]) AS k(key)
JOIN presses p ON p.unit_id = split_part(k.key, '/', 1)::bigint AND p.boot = split_part(k.key, '/', 2)::bigint
              AND p.seq = split_part(k.key, '/', 3)::bigint
WHERE CASE split_part(k.key, '/', 4) WHEN '2' THEN p.accepted_at ELSE p.taken_at END IS NOT NULL;

-- name: delivery
SELECT o.outbox_id::text AS key, o.municipality_id, o.delivered_at AS at, o.centre_id, o.case_id, o.unit_id, o.boot, o.seq,
       o.test
FROM outbox o WHERE o.outbox_id = ANY (%(keys)s::text[]::bigint[]) AND o.delivered_at IS NOT NULL;

-- name: unit_event
SELECT e.unit_id || '/' || e.boot || '/' || e.seq AS key, e.municipality_id, e.received_at AS at, e.kind, e.age_s,
       e.about_boot, e.about_seq, e.data, e.raw
FROM unnest(%(keys)s::text[]) AS k(key)
JOIN unit_events e ON e.unit_id = split_part(k.key, '/', 1)::bigint AND e.boot = split_part(k.key, '/', 2)::bigint
                  AND e.seq = split_part(k.key, '/', 3)::bigint;

-- name: of_cases
-- Presses, receipts and deliveries of these cases that are not in the chain yet, in the order in which they happened.
SELECT n.source, n.key FROM (
    SELECT 'press' AS source, p.unit_id || '/' || p.boot || '/' || p.seq AS key, p.received_at AS at, 1 AS after
    FROM presses p WHERE p.case_id = ANY (%(cases)s::bigint[])
    UNION ALL
    SELECT 'delivery', o.outbox_id::text, o.delivered_at, 2
    FROM outbox o WHERE o.case_id = ANY (%(cases)s::bigint[]) AND o.delivered_at IS NOT NULL
    UNION ALL
    SELECT 'receipt', p.unit_id || '/' || p.boot || '/' || p.seq || '/2', p.accepted_at, 3
    FROM presses p WHERE p.case_id = ANY (%(cases)s::bigint[]) AND p.accepted_at IS NOT NULL
    UNION ALL
    SELECT 'receipt', p.unit_id || '/' || p.boot || '/' || p.seq || '/3', p.taken_at, 4
    FROM presses p WHERE p.case_id = ANY (%(cases)s::bigint[]) AND p.taken_at IS NOT NULL
) n
WHERE NOT EXISTS (SELECT 1 FROM audit_chain a WHERE a.source = n.source AND a.key = n.key)
ORDER BY n.at, n.after, n.key;

-- name: unchained
-- Rows that no link stands for although nothing waits to be chained: somebody wrote them past the server, or took the
-- link away. Nothing is said of rows older than what was pruned.
SELECT n.source, n.key FROM (
    SELECT 'audit' AS source, r.record_id::text AS key FROM audit_records r
    WHERE r.at >= %(since)s AND NOT EXISTS (SELECT 1 FROM audit_queue q WHERE q.source = 'audit' AND q.key = r.record_id::text)
    UNION ALL
    SELECT 'unit_event', e.unit_id || '/' || e.boot || '/' || e.seq FROM unit_events e
    WHERE e.received_at >= %(since)s
      AND NOT EXISTS (SELECT 1 FROM audit_queue q
                      WHERE q.source = 'unit_event' AND q.key = e.unit_id || '/' || e.boot || '/' || e.seq)
    UNION ALL
    SELECT 'case_log', l.position::text FROM case_log l, audit_progress g
    WHERE g.source = 'case_log' AND l.position <= g.number AND l.at >= %(since)s
    UNION ALL
    SELECT 'press', p.unit_id || '/' || p.boot || '/' || p.seq FROM presses p
    WHERE p.received_at >= %(since)s
      AND NOT EXISTS (SELECT 1 FROM case_log l, audit_progress g
                      WHERE l.case_id = p.case_id AND g.source = 'case_log' AND l.position > g.number)
) n
WHERE NOT EXISTS (SELECT 1 FROM audit_chain a WHERE a.source = n.source AND a.key = n.key)
ORDER BY n.source, n.key LIMIT %(most)s;
