-- Messages to people: outbox rows of their own. `at` is the worker's present.

-- name: withdraw_notices
-- A message about a case that is closed, or a call for help with one that somebody has, would only disturb.
UPDATE notices n SET withdrawn_at = %(at)s
FROM cases c
WHERE n.case_id = c.case_id AND n.delivered_at IS NULL AND n.withdrawn_at IS NULL
  AND (c.state = 'closed' OR (n.place > 1 AND c.state = 'taken'))
  AND n.attempts > 0;

-- name: claim_notices
WITH due AS (
    SELECT n.notice_id FROM notices n JOIN recipients r USING (recipient_id)
    WHERE r.channel = %(channel)s AND n.delivered_at IS NULL AND n.withdrawn_at IS NULL
      AND (n.next_try_at <= %(at)s OR n.next_try_at > %(at)s + make_interval(secs => %(longest_delay_s)s))
      AND (n.claimed_until IS NULL OR n.claimed_until < %(at)s
           OR n.claimed_until > %(at)s + make_interval(secs => %(lease_s)s))
    ORDER BY n.attempts > 0, n.notice_id LIMIT %(most)s FOR UPDATE OF n SKIP LOCKED
),
claimed AS (
    UPDATE notices n SET claimed_until = %(at)s + make_interval(secs => %(lease_s)s), attempts = n.attempts + 1
    FROM due WHERE n.notice_id = due.notice_id
    RETURNING n.notice_id, n.municipality_id, n.case_id, n.place, n.recipient_id, n.who, n.parts, n.zone, n.attempts
)
SELECT k.*, r.name, r.channel, r.address, r.language, c.unit_id, c.kind, c.opened_at, m.name AS municipality
FROM claimed k JOIN recipients r USING (recipient_id) JOIN cases c USING (case_id)
JOIN municipalities m ON m.municipality_id = c.municipality_id
ORDER BY k.notice_id;

-- name: notice_delivered
UPDATE notices SET delivered_at = %(at)s, claimed_until = NULL, last_outcome = 'delivered'
WHERE notice_id = %(notice_id)s AND delivered_at IS NULL
RETURNING case_id, municipality_id;

-- name: notice_failed
UPDATE notices SET claimed_until = NULL, last_outcome = %(outcome)s,
                   next_try_at = %(at)s + make_interval(secs => %(delay_s)s)
WHERE notice_id = %(notice_id)s AND delivered_at IS NULL;
