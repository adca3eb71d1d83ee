-- Answers kept for repeats. Row level security shows an actor its own.

-- name: act_as
SELECT set_config('livlina.actor', %(actor)s, true);

-- name: claim
-- Whoever comes second waits here until the first has committed, and then finds its answer.
INSERT INTO api_answers (actor, key, request, status, body, made_at)
VALUES (%(actor)s, %(key)s, %(request)s, 0, '', %(at)s) ON CONFLICT DO NOTHING RETURNING key;

-- name: keep
UPDATE api_answers SET status = %(status)s, body = %(body)s WHERE actor = %(actor)s AND key = %(key)s;

-- name: stored
SELECT request, status, body FROM api_answers WHERE actor = %(actor)s AND key = %(key)s;
