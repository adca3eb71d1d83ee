-- Pruning, as the schema's owner, under livlina.pruning = 'on'.

-- name: lock
SELECT pg_advisory_xact_lock(hashtext('livlina.audit_chain'));

-- name: chained_before
SELECT a.position, a.hash FROM audit_chain a
WHERE a.position < coalesce((SELECT min(b.position) FROM audit_chain b WHERE b.chained_at >= %(before)s), 9223372036854775807)
ORDER BY a.position DESC LIMIT 1;

-- name: prune_audit
DELETE FROM audit_records r USING audit_chain a
WHERE a.source = 'audit' AND a.key = r.record_id::text AND a.position <= %(position)s;

-- name: prune_case_log
DELETE FROM case_log l USING audit_chain a, cases c
WHERE a.source = 'case_log' AND a.key = l.position::text AND a.position <= %(position)s
  AND c.case_id = l.case_id AND c.state = 'closed';

-- name: prune_unit_event
DELETE FROM unit_events e USING audit_chain a
WHERE a.source = 'unit_event' AND a.key = e.unit_id || '/' || e.boot || '/' || e.seq AND a.position <= %(position)s;

-- name: cut_before
-- Not past a row of a kind that is pruned by rule and is still there.
SELECT a.position, a.hash FROM audit_chain a
WHERE a.position < least(
    coalesce((SELECT min(b.position) FROM audit_chain b WHERE b.chained_at >= %(before)s), 9223372036854775807),
    coalesce((SELECT min(b.position) FROM audit_chain b JOIN audit_records r
              ON b.source = 'audit' AND b.key = r.record_id::text), 9223372036854775807),
    coalesce((SELECT min(b.position) FROM audit_chain b JOIN case_log l
              ON b.source = 'case_log' AND b.key = l.position::text), 9223372036854775807),
    coalesce((SELECT min(b.position) FROM audit_chain b JOIN unit_events e
              ON b.source = 'unit_event' AND b.key = e.unit_id || '/' || e.boot || '/' || e.seq), 9223372036854775807))
ORDER BY a.position DESC LIMIT 1;

-- name: prune_chain
DELETE FROM audit_chain WHERE position <= %(position)s;

-- name: state
INSERT INTO audit_prunings (source, position, hash, at, key_id, signature)
VALUES (%(source)s, %(position)s, %(hash)s, %(at)s, %(key_id)s, %(signature)s) ON CONFLICT DO NOTHING;

-- name: reading_days
SELECT c.relname AS name, to_date(right(c.relname, 8), 'YYYYMMDD') AS day
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'readings'::regclass AND c.relname ~ '^readings_[0-9]{8}$';
