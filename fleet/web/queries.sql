-- Log-ins and what the consoles have painted. All of it runs as livlina_login.

-- name: note_login
INSERT INTO login_failures (login, failures, last_at) VALUES (%(login)s, 0, now()) ON CONFLICT (login) DO NOTHING;

-- name: failures_of_login
SELECT failures, extract(epoch FROM clock_timestamp() - last_at)::float8 AS since_s
FROM login_failures WHERE login = %(login)s FOR UPDATE;

-- name: count_failure
UPDATE login_failures SET failures = %(failures)s, last_at = now() WHERE login = %(login)s;

-- name: forget_failures
-- The name that has just logged in, and all that nobody has tried for a day (SKIP LOCKED: never wait for a stranger).
DELETE FROM login_failures WHERE login IN (
    SELECT login FROM login_failures WHERE login = %(login)s OR last_at < now() - interval '1 day'
    FOR UPDATE SKIP LOCKED);

-- name: user_of_login
SELECT user_id, municipality_id, login, password_hash, second_step
FROM users WHERE login = %(login)s AND closed_at IS NULL;

-- name: set_password
UPDATE users SET password_hash = %(password_hash)s WHERE user_id = %(user_id)s RETURNING municipality_id;

-- name: start_session
-- Signing in is showing who one is.
INSERT INTO web_sessions (token_hash, user_id, municipality_id, method, stepped_up_at)
SELECT %(token_hash)s, user_id, municipality_id, %(method)s, now() FROM users
WHERE user_id = %(user_id)s AND closed_at IS NULL
RETURNING municipality_id;

-- name: end_sessions
-- The one that is named, and all that are over anyway.
WITH over AS (
    SELECT token_hash FROM web_sessions
    WHERE made_at < now() - make_interval(secs => %(absolute)s) OR used_at < now() - make_interval(secs => %(idle)s)
    FOR UPDATE SKIP LOCKED)
DELETE FROM web_sessions s WHERE s.token_hash = %(token_hash)s OR s.token_hash IN (SELECT token_hash FROM over);

-- name: end_all
DELETE FROM web_sessions WHERE user_id = %(user_id)s AND token_hash <> %(but)s RETURNING token_hash, municipality_id;

-- name: session
SELECT s.token_hash, s.session_id, s.municipality_id, s.method, s.stepped_up_at, u.user_id, u.login, u.display_name,
       s.made_at + make_interval(secs => %(absolute)s) AS ends_at, s.used_at < now() - interval '30 seconds' AS stale,
       (SELECT coalesce(json_agg(json_build_array(r.role, r.municipality_id, r.alarm_centre_id)), '[]')
        FROM person_roles r WHERE r.user_id = u.user_id) AS grants
FROM web_sessions s JOIN users u USING (user_id)
WHERE s.token_hash = %(token_hash)s AND u.closed_at IS NULL
  AND s.made_at > now() - make_interval(secs => %(absolute)s)
  AND s.used_at > now() - make_interval(secs => %(idle)s);

-- name: sessions_of
SELECT session_id AS number, token_hash, method, made_at, used_at FROM web_sessions
WHERE user_id = %(user_id)s AND made_at > now() - make_interval(secs => %(absolute)s)
  AND used_at > now() - make_interval(secs => %(idle)s)
ORDER BY used_at DESC;

-- name: step_up
UPDATE web_sessions SET stepped_up_at = now() WHERE token_hash = %(token_hash)s AND user_id = %(user_id)s
RETURNING municipality_id;

-- name: use_session
UPDATE web_sessions SET used_at = now() WHERE token_hash = %(token_hash)s;

-- name: keep_receipts
-- One statement for all consoles of this process: what they have painted, and whether somebody is at work there.
UPDATE web_sessions s
SET shown_position = greatest(s.shown_position, k.shown),
    shown_at = CASE WHEN k.painted THEN now() ELSE s.shown_at END,
    used_at = CASE WHEN k.manned THEN now() ELSE s.used_at END
FROM unnest(%(token_hash)s::bytea[], %(shown)s::bigint[], %(painted)s::boolean[], %(manned)s::boolean[])
     AS k(token_hash, shown, painted, manned)
WHERE s.token_hash = k.token_hash
  AND s.made_at > now() - make_interval(secs => %(absolute)s)
  AND s.used_at > now() - make_interval(secs => %(idle)s);

-- name: valid_sessions
SELECT s.token_hash,
       (SELECT coalesce(json_agg(json_build_array(r.role, r.municipality_id, r.alarm_centre_id)), '[]')
        FROM person_roles r WHERE r.user_id = u.user_id) AS grants
FROM web_sessions s JOIN users u USING (user_id)
WHERE s.token_hash = ANY (%(token_hash)s::bytea[]) AND u.closed_at IS NULL
  AND s.made_at > now() - make_interval(secs => %(absolute)s)
  AND s.used_at > now() - make_interval(secs => %(idle)s);
