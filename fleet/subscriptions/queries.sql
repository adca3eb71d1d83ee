-- name: claim
UPDATE webhook_subscriptions s SET next_try_at = %(until)s
WHERE s.subscription_id IN (
    SELECT d.subscription_id FROM webhook_subscriptions d
    WHERE d.ended_at IS NULL AND d.sealed IS NOT NULL AND d.next_try_at <= %(at)s
      AND EXISTS (SELECT 1 FROM audit_chain a WHERE a.municipality_id = d.municipality_id AND a.position > d.position)
    ORDER BY d.next_try_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
RETURNING s.subscription_id, s.municipality_id, s.url, s.events, s.sealed, s.position, s.attempts;

-- name: ahead
SELECT position FROM audit_chain WHERE municipality_id = %(municipality)s AND position > %(position)s
ORDER BY position LIMIT %(most)s;

-- name: settle
UPDATE webhook_subscriptions SET position = %(position)s, attempts = 0, next_try_at = %(at)s,
    delivered_at = CASE WHEN %(outcome)s::text IS NULL THEN delivered_at ELSE %(at)s END,
    last_outcome = coalesce(%(outcome)s::text, last_outcome)
WHERE subscription_id = %(id)s AND position < %(position)s;

-- name: put_off
UPDATE webhook_subscriptions SET attempts = %(attempts)s, next_try_at = %(next)s, last_outcome = %(outcome)s
WHERE subscription_id = %(id)s;
