-- name: case
SELECT c.case_id, c.municipality_id, m.name, m.zone, c.unit_id, c.unit_type, c.state, c.outcome
FROM cases c JOIN municipalities m USING (municipality_id) WHERE c.case_id = %(case_id)s;

-- name: events
-- What units said, what was made of it, what centres and people were told, each with its place in the chain.
SELECT e.at, e.what, e.who, e.detail, a.position, a.digest FROM (
    SELECT p.received_at AS at, 'unit.pressed' AS what, 'unit ' || lpad(to_hex(p.unit_id), 8, '0') AS who,
           jsonb_build_object('transport', p.transport, 'input', p.input, 'age_s', p.age_s) AS detail, 1 AS after,
           'press' AS source, p.unit_id || '/' || p.boot || '/' || p.seq AS key
    FROM presses p WHERE p.case_id = %(case_id)s
    UNION ALL
    SELECT l.at, 'case.' || l.change, l.actor, l.detail, 2, 'case_log', l.position::text
    FROM case_log l WHERE l.case_id = %(case_id)s
    UNION ALL
    SELECT o.delivered_at, 'centre.delivered', n.name, jsonb_build_object('attempts', o.attempts, 'reason', o.reason), 3,
           'delivery', o.outbox_id::text
    FROM outbox o JOIN centres n USING (centre_id) WHERE o.case_id = %(case_id)s AND o.delivered_at IS NOT NULL
    UNION ALL
    SELECT p.accepted_at, 'unit.told_accepted', 'unit ' || lpad(to_hex(p.unit_id), 8, '0'), '{}', 4, 'receipt',
           p.unit_id || '/' || p.boot || '/' || p.seq || '/2'
    FROM presses p WHERE p.case_id = %(case_id)s AND p.accepted_at IS NOT NULL
    UNION ALL
    SELECT p.taken_at, 'unit.told_taken', 'unit ' || lpad(to_hex(p.unit_id), 8, '0'), '{}', 5, 'receipt',
           p.unit_id || '/' || p.boot || '/' || p.seq || '/3'
    FROM presses p WHERE p.case_id = %(case_id)s AND p.taken_at IS NOT NULL
) e LEFT JOIN audit_chain a ON a.source = e.source AND a.key = e.key
ORDER BY e.at, e.after, e.key;

-- name: head
-- The first signed head that covers all of it.
SELECT position, hash, at, key_id, signature FROM audit_heads WHERE position >= %(position)s ORDER BY position LIMIT 1;
