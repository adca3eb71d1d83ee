-- Centres' secrets. `at` is the caller's present. The registry may not read `sealed`, so nothing here asks it to.

-- name: of_centre
SELECT kind, sealed, made_at, rotated_at FROM centre_secrets WHERE centre_id = %(centre_id)s;

-- name: put
INSERT INTO centre_secrets (centre_id, kind, municipality_id, sealed, made_at)
SELECT %(centre_id)s, %(kind)s, municipality_id, %(sealed)s, %(at)s FROM centres WHERE centre_id = %(centre_id)s
ON CONFLICT (centre_id, kind) DO UPDATE SET sealed = %(sealed)s, made_at = %(at)s, rotated_at = NULL;

-- name: drop
DELETE FROM centre_secrets WHERE centre_id = %(centre_id)s AND kind = %(kind)s;

-- name: lock_secret
SELECT sealed FROM centre_secrets WHERE centre_id = %(centre_id)s AND kind = 'secret' FOR UPDATE;

-- name: rotate
UPDATE centre_secrets SET sealed = %(sealed)s, made_at = %(at)s, rotated_at = %(at)s
WHERE centre_id = %(centre_id)s AND kind = 'secret';

-- name: issue
INSERT INTO centre_secrets (centre_id, kind, municipality_id, sealed, made_at)
SELECT centre_id, 'next', municipality_id, %(sealed)s, %(at)s FROM centre_secrets
WHERE centre_id = %(centre_id)s AND kind = 'secret';

-- name: taken_tokens
SELECT n.name, s.centre_id, s.sealed FROM centre_secrets s JOIN centres n USING (centre_id)
WHERE s.kind = 'taken' AND n.reports_taken = %(way)s::text;

-- name: was_told
-- Whether an attempt was made: the answer to it may have been lost on its way here.
SELECT 1 FROM outbox o JOIN centres n USING (centre_id)
WHERE n.name = %(name)s AND o.unit_id = %(unit_id)s AND o.boot = %(boot)s AND o.seq = %(seq)s AND o.attempts > 0;

-- name: told_lately
-- Of cases that are open, or were an hour ago: so that a report that comes too late is told so.
SELECT o.unit_id, o.boot, o.seq FROM outbox o JOIN centres n USING (centre_id) JOIN cases c USING (case_id)
WHERE n.name = %(name)s AND o.attempts > 0 AND NOT o.test
  AND (c.state <> 'closed' OR c.closed_at > %(at)s::timestamptz - interval '1 hour')
ORDER BY o.outbox_id DESC LIMIT %(most)s;
