-- The chain: one writer at a time, under an advisory lock that nobody on the alarm path takes.

-- name: lock
SELECT pg_try_advisory_xact_lock(hashtext('livlina.audit_chain')) AS mine;

-- name: last
-- The end of the chain, or of what was pruned where nothing is left.
SELECT position, hash FROM (
    (SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1)
    UNION ALL
    (SELECT position, hash FROM audit_prunings WHERE source = 'chain' ORDER BY position DESC LIMIT 1)
) ends ORDER BY position DESC LIMIT 1;

-- name: waiting
SELECT queue_id, source, key FROM audit_queue ORDER BY queue_id LIMIT %(most)s;

-- name: unqueue
DELETE FROM audit_queue WHERE queue_id = ANY (%(ids)s::bigint[]);

-- name: log_after_progress
SELECT l.position, l.case_id FROM case_log l, audit_progress g
WHERE g.source = 'case_log' AND l.position > g.number ORDER BY l.position LIMIT %(most)s;

-- name: progress
UPDATE audit_progress SET number = %(number)s WHERE source = 'case_log';

-- name: append
INSERT INTO audit_chain (position, municipality_id, source, key, at, chained_at, digest, hash)
SELECT * FROM unnest(%(position)s::bigint[], %(municipality)s::int[], %(source)s::text[], %(key)s::text[],
                     %(at)s::timestamptz[], %(chained_at)s::timestamptz[], %(digest)s::bytea[], %(hash)s::bytea[]);

-- name: newest_head
SELECT position, hash, at, key_id, signature FROM audit_heads ORDER BY position DESC LIMIT 1;

-- name: keep_head
INSERT INTO audit_heads (position, hash, at, key_id, signature)
VALUES (%(position)s, %(hash)s, %(at)s, %(key_id)s, %(signature)s) ON CONFLICT (position) DO NOTHING;

-- name: heads
SELECT position, hash, at, key_id, signature FROM audit_heads ORDER BY position;

-- name: prunings
SELECT source, position, hash, at, key_id, signature FROM audit_prunings ORDER BY position;

-- name: chain_after
SELECT position, municipality_id AS municipality, source, key, at, chained_at, digest, hash
FROM audit_chain WHERE position > %(position)s ORDER BY position LIMIT %(most)s;

-- name: forget_answers
DELETE FROM api_answers WHERE made_at < %(before)s;
