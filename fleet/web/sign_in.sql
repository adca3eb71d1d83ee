-- Tickets, passkeys, one-time links and identity providers. All of it runs as livlina_login.

-- name: make_ticket
INSERT INTO sign_in_tickets (ticket_hash, purpose, user_id, session_hash, provider_id, challenge, goal, expires_at)
VALUES (%(ticket_hash)s, %(purpose)s, %(user_id)s, %(session_hash)s, %(provider_id)s, %(challenge)s, %(goal)s,
        now() + make_interval(secs => %(life)s));

-- name: forget_tickets
DELETE FROM sign_in_tickets WHERE expires_at < now();

-- name: take_ticket
-- Whoever deletes the row has it: a ticket is answered once, however many answers come at once.
DELETE FROM sign_in_tickets WHERE ticket_hash = %(ticket_hash)s AND purpose = ANY (%(purposes)s)
RETURNING purpose, user_id, session_hash, provider_id, challenge, goal, expires_at > now() AS good,
          extract(epoch FROM expires_at)::float8 AS ends;

-- name: person
SELECT user_id, municipality_id, login, display_name, language, second_step, handle, password_hash <> '' AS has_password
FROM users WHERE user_id = %(user_id)s AND closed_at IS NULL;

-- name: ways_in
SELECT password_hash <> '' AS password, second_step,
       (SELECT count(*) FROM passkeys k WHERE k.user_id = u.user_id) AS passkeys,
       (SELECT count(*) FROM identity_links l WHERE l.user_id = u.user_id) AS providers,
       (SELECT max(expires_at) FROM one_time_links o
        WHERE o.user_id = u.user_id AND o.used_at IS NULL AND o.expires_at > now()) AS link_until
FROM users u WHERE u.user_id = %(user_id)s;

-- name: passkeys_of
SELECT passkey_id, credential_id, name, made_at, used_at FROM passkeys WHERE user_id = %(user_id)s ORDER BY passkey_id;

-- name: passkey
SELECT k.passkey_id, k.user_id, k.public_key, k.sign_count, u.handle, u.municipality_id
FROM passkeys k JOIN users u USING (user_id)
WHERE k.credential_id = %(credential_id)s AND u.closed_at IS NULL;

-- name: add_passkey
INSERT INTO passkeys (credential_id, user_id, public_key, sign_count, name, made_at)
VALUES (%(credential_id)s, %(user_id)s, %(public_key)s, %(sign_count)s, %(name)s, now())
ON CONFLICT (credential_id) DO NOTHING
RETURNING passkey_id;

-- name: use_passkey
UPDATE passkeys SET sign_count = %(sign_count)s, used_at = now()
WHERE passkey_id = %(passkey_id)s AND sign_count = %(before)s;

-- name: remove_passkey
DELETE FROM passkeys WHERE passkey_id = %(passkey_id)s AND user_id = %(user_id)s RETURNING passkey_id;

-- name: without_passkeys
-- Who has no passkey left cannot be asked for one.
UPDATE users SET second_step = false
WHERE user_id = %(user_id)s AND second_step AND NOT EXISTS (SELECT 1 FROM passkeys WHERE user_id = %(user_id)s);

-- name: set_second_step
UPDATE users SET second_step = %(second_step)s
WHERE user_id = %(user_id)s AND (NOT %(second_step)s OR EXISTS (SELECT 1 FROM passkeys WHERE user_id = %(user_id)s))
RETURNING municipality_id;

-- name: link
SELECT l.user_id, u.login, u.display_name FROM one_time_links l JOIN users u USING (user_id)
WHERE l.link_hash = %(link_hash)s AND l.used_at IS NULL AND l.expires_at > now() AND u.closed_at IS NULL;

-- name: use_link
UPDATE one_time_links l SET used_at = now() FROM users u
WHERE l.link_hash = %(link_hash)s AND l.used_at IS NULL AND l.expires_at > now()
  AND u.user_id = l.user_id AND u.closed_at IS NULL
RETURNING l.user_id, u.municipality_id;

-- name: end_links
UPDATE one_time_links SET used_at = now() WHERE user_id = %(user_id)s AND used_at IS NULL;

-- name: providers
SELECT provider_id, name FROM identity_providers WHERE removed_at IS NULL ORDER BY name, provider_id;

-- name: provider
SELECT provider_id, municipality_id, name, issuer, client_id, client_secret, acr, scopes, subject_claim
FROM identity_providers WHERE provider_id = %(provider_id)s AND removed_at IS NULL;

-- name: linked_person
SELECT u.user_id, u.municipality_id FROM identity_links l JOIN users u USING (user_id)
WHERE l.provider_id = %(provider_id)s AND l.subject_hash = %(subject_hash)s AND u.closed_at IS NULL;

-- name: links_of
SELECT p.provider_id, p.name, l.made_at FROM identity_links l JOIN identity_providers p USING (provider_id)
WHERE l.user_id = %(user_id)s AND p.removed_at IS NULL ORDER BY p.name;

-- name: link_person
INSERT INTO identity_links (provider_id, subject_hash, user_id, municipality_id, made_at)
SELECT %(provider_id)s, %(subject_hash)s, %(user_id)s, municipality_id, now()
FROM identity_providers WHERE provider_id = %(provider_id)s
ON CONFLICT (provider_id, subject_hash) DO NOTHING
RETURNING municipality_id;

-- name: live_session
SELECT 1 FROM web_sessions WHERE token_hash = %(token_hash)s AND user_id = %(user_id)s;

-- name: unlink_person
DELETE FROM identity_links WHERE provider_id = %(provider_id)s AND user_id = %(user_id)s RETURNING municipality_id;
