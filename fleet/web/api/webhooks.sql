-- name: subscriptions
SELECT s.subscription_id AS id, s.municipality_id, s.url, s.events, s.made_at, s.made_by, s.ended_at, s.position, s.attempts,
       s.delivered_at, s.last_outcome,
       s.ended_at IS NULL AND s.attempts > 0 AS behind
FROM webhook_subscriptions s WHERE s.subscription_id > %(after)s ORDER BY s.subscription_id LIMIT %(most)s;

-- name: subscribe
-- From now on: what happened before is in the record.
INSERT INTO webhook_subscriptions (municipality_id, url, events, made_at, made_by, next_try_at, position)
VALUES (%(municipality_id)s, %(url)s, %(events)s, %(at)s, %(actor)s, %(at)s,
        coalesce((SELECT max(position) FROM audit_chain WHERE municipality_id = %(municipality_id)s), 0))
RETURNING subscription_id AS id;

-- name: seal
UPDATE webhook_subscriptions SET sealed = %(sealed)s WHERE subscription_id = %(id)s;

-- name: end
UPDATE webhook_subscriptions SET ended_at = %(at)s WHERE subscription_id = %(id)s AND ended_at IS NULL
RETURNING municipality_id;
