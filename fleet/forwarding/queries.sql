-- Outbox statements. A worker claims with SKIP LOCKED, sends outside any transaction, then settles.

-- name: centres
SELECT centre_id, name, protocol, host, port FROM centres ORDER BY centre_id;

-- name: claim
-- A claim is a lease: a worker that was killed loses it when it runs out, and nothing else has to notice. A moment that
-- lies further ahead than this server ever sets one was written before the clock was set back: it holds nothing up.
WITH due AS (
    SELECT outbox_id FROM outbox
    WHERE centre_id = %(centre_id)s AND delivered_at IS NULL
      AND (next_try_at <= now() OR next_try_at > now() + make_interval(secs => %(longest_delay_s)s))
      AND (claimed_until IS NULL OR claimed_until < now()
           OR claimed_until > now() + make_interval(secs => %(lease_s)s))
    ORDER BY outbox_id LIMIT %(most)s FOR UPDATE SKIP LOCKED
),
claimed AS (
    UPDATE outbox o SET claimed_until = now() + make_interval(secs => %(lease_s)s), attempts = o.attempts + 1
    FROM due WHERE o.outbox_id = due.outbox_id
    RETURNING o.outbox_id, o.case_id, o.unit_id, o.boot, o.seq, o.attempts, o.queued_at, o.last_outcome
)
SELECT k.*, p.received_at, p.pressed_at, p.transport, p.kind, p.input, p.count, p.age_s, p.battery, p.flags, p.marks,
       c.unit_type, c.priority, c.presses
FROM claimed k
JOIN presses p USING (unit_id, boot, seq)
JOIN cases c ON c.case_id = k.case_id
ORDER BY k.outbox_id;

-- name: release
UPDATE outbox SET claimed_until = NULL, attempts = greatest(attempts - 1, 0)
WHERE outbox_id = ANY (%(outbox_ids)s::bigint[]) AND delivered_at IS NULL;

-- name: settle_delivered
UPDATE outbox SET delivered_at = now(), claimed_until = NULL, last_outcome = 'delivered'
WHERE outbox_id = ANY (%(outbox_ids)s::bigint[]) AND delivered_at IS NULL;

-- name: accept_presses
UPDATE presses p SET accepted_at = now()
FROM outbox o
WHERE o.outbox_id = ANY (%(outbox_ids)s::bigint[]) AND p.unit_id = o.unit_id AND p.boot = o.boot AND p.seq = o.seq
  AND p.accepted_at IS NULL
RETURNING p.unit_id;

-- name: accept_cases
-- Only where the centre is owed nothing more of the case: an operator must not read "accepted" of a press that it lacks.
UPDATE cases c SET accepted_at = now(), accepted_by = %(centre)s, refused_by = NULL
FROM outbox o
WHERE o.outbox_id = ANY (%(outbox_ids)s::bigint[]) AND c.case_id = o.case_id AND c.accepted_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM outbox x WHERE x.case_id = c.case_id AND x.delivered_at IS NULL)
RETURNING c.case_id, c.municipality_id;

-- name: settle_failed
UPDATE outbox SET claimed_until = NULL, last_outcome = %(outcome)s,
                  next_try_at = now() + make_interval(secs => %(delay_s)s)
WHERE outbox_id = %(outbox_id)s AND delivered_at IS NULL;

-- name: refuse_case
UPDATE cases SET refused_by = %(centre)s
WHERE case_id = %(case_id)s AND accepted_at IS NULL AND refused_by IS DISTINCT FROM %(centre)s
RETURNING case_id, municipality_id;
