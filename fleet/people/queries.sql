-- Which municipalities somebody sees. Runs as livlina_login, as livlina_registry on the command line, and as
-- livlina_notify for whoever is to be told.

-- name: services
SELECT s.municipality_id, s.service, s.alarm_centre_id, s.hours, s.starts_minute, s.ends_minute, m.zone, s.valid_from
FROM services s JOIN municipalities m USING (municipality_id);

-- name: municipalities
SELECT municipality_id FROM municipalities WHERE municipality_id <> 0 ORDER BY municipality_id;

-- name: office_hours
SELECT municipality_id, valid_from, starts_minute, ends_minute FROM office_hours;

-- name: open_cases
-- By the minute: a flood of cases must not make every look longer.
SELECT DISTINCT municipality_id, date_trunc('minute', opened_at) AS opened_at FROM cases
WHERE state <> 'closed' AND municipality_id IN (SELECT municipality_id FROM services);

-- name: grants
SELECT role, municipality_id, alarm_centre_id FROM person_roles WHERE user_id = %(person_id)s;

-- People and their roles. Runs as livlina_web: row level security decides what is seen and changed.

-- name: people
-- Everybody who is seen, by login name.
SELECT p.person_id, p.login, p.display_name, p.closed_at,
       (SELECT coalesce(json_agg(json_build_object(
                   'id', r.person_role_id, 'role', r.role, 'municipality', r.municipality_id,
                   'place', coalesce(a.name, m.name), 'centre', r.alarm_centre_id)
                   ORDER BY r.municipality_id, a.name, r.role), '[]')
        FROM person_roles r
        LEFT JOIN municipalities m USING (municipality_id)
        LEFT JOIN alarm_centres a USING (alarm_centre_id)
        WHERE r.user_id = p.person_id) AS roles
FROM people p
WHERE (%(person_id)s::int IS NULL OR p.person_id = %(person_id)s)
  AND p.login > %(after)s
  AND (%(find)s = '' OR p.login LIKE %(pattern)s OR lower(p.display_name) LIKE %(pattern)s)
ORDER BY p.login LIMIT %(most)s;

-- name: places
SELECT municipality_id, name FROM municipalities ORDER BY municipality_id = 0 DESC, name;

-- name: alarm_centres
SELECT alarm_centre_id, name FROM alarm_centres ORDER BY name;

-- name: lock_roles
SELECT pg_advisory_xact_lock(hashtext('livlina people'));

-- name: is_administrator
-- Whether somebody who is not closed administers this place, or the installation, at this moment.
SELECT 1 FROM person_roles r JOIN people p ON p.person_id = r.user_id
WHERE r.user_id = %(person_id)s AND r.role = 'administrator' AND r.alarm_centre_id IS NULL
  AND r.municipality_id IN (0, %(municipality_id)s) AND p.closed_at IS NULL;

-- name: other_administrators
SELECT count(*) AS others FROM person_roles r JOIN people p ON p.person_id = r.user_id
WHERE r.person_role_id <> %(person_role_id)s AND r.user_id <> %(person_id)s AND r.role = 'administrator'
  AND r.alarm_centre_id IS NULL AND r.municipality_id IN (0, %(municipality_id)s) AND p.closed_at IS NULL;

-- name: role_row
SELECT person_role_id, user_id, municipality_id, alarm_centre_id, role FROM person_roles
WHERE person_role_id = %(person_role_id)s;

-- name: add_person
INSERT INTO users (municipality_id, login, display_name, language)
VALUES (%(municipality_id)s, %(login)s, %(display_name)s, %(language)s)
ON CONFLICT (login) DO NOTHING;

-- name: grant
INSERT INTO person_roles (user_id, municipality_id, alarm_centre_id, role, granted_at, granted_by)
VALUES (%(person_id)s, %(municipality_id)s, %(alarm_centre_id)s, %(role)s, %(at)s, %(by)s)
ON CONFLICT DO NOTHING;

-- name: revoke
DELETE FROM person_roles WHERE person_role_id = %(person_role_id)s;

-- name: administrators
-- Those of the installation who have a way in.
SELECT u.user_id FROM person_roles r JOIN users u USING (user_id)
WHERE r.role = 'administrator' AND r.municipality_id = 0 AND r.alarm_centre_id IS NULL AND u.closed_at IS NULL
  AND (u.password_hash <> '' OR EXISTS (SELECT 1 FROM passkeys k WHERE k.user_id = u.user_id)
       OR EXISTS (SELECT 1 FROM identity_links l WHERE l.user_id = u.user_id));

-- name: person_of_login
SELECT person_id, municipality_id, login, closed_at FROM people WHERE login = %(login)s;

-- Sign-in links. As livlina_login or livlina_registry.

-- name: close_person
UPDATE users SET closed_at = %(closed_at)s WHERE user_id = %(user_id)s RETURNING municipality_id;

-- name: home_of
SELECT municipality_id FROM users WHERE user_id = %(person_id)s;

-- name: add_link
INSERT INTO one_time_links (link_hash, user_id, municipality_id, made_at, made_by, expires_at)
SELECT %(link_hash)s, user_id, municipality_id, %(at)s, %(by)s, %(expires_at)s FROM users WHERE user_id = %(person_id)s;

-- API tokens.

-- name: add_token
INSERT INTO api_tokens (municipality_id, token_hash, prefix, name, role, municipalities, made_at, made_by, expires_at)
VALUES (%(municipality_id)s, %(token_hash)s, %(prefix)s, %(name)s, %(role)s, %(municipalities)s, %(at)s, %(by)s,
        %(expires_at)s)
RETURNING token_id;

-- name: tokens
SELECT t.token_id, t.municipality_id, t.prefix, t.name, t.role, t.municipalities, t.made_at, t.made_by, t.expires_at,
       t.revoked_at, t.used_at
FROM api_tokens t ORDER BY t.revoked_at IS NOT NULL, t.token_id DESC LIMIT 500;

-- name: revoke_token
UPDATE api_tokens SET revoked_at = %(at)s WHERE token_id = %(token_id)s AND revoked_at IS NULL
RETURNING municipality_id;

-- name: token
SELECT token_id, municipality_id, role, municipalities, expires_at,
       used_at IS NULL OR used_at < %(at)s::timestamptz - interval '30 seconds' AS stale
FROM api_tokens WHERE token_hash = %(token_hash)s AND revoked_at IS NULL AND expires_at > %(at)s;

-- name: use_token
UPDATE api_tokens SET used_at = %(at)s WHERE token_id = %(token_id)s;

-- Identity providers. As livlina_registry.

-- name: add_provider
INSERT INTO identity_providers (municipality_id, name, issuer, client_id, acr, scopes, subject_claim, made_at)
VALUES (%(municipality_id)s, %(name)s, %(issuer)s, %(client_id)s, %(acr)s, %(scopes)s, %(subject_claim)s, %(at)s)
RETURNING provider_id;

-- name: seal_provider
UPDATE identity_providers SET client_secret = %(client_secret)s WHERE provider_id = %(provider_id)s;

-- name: providers
SELECT provider_id, municipality_id, name, issuer, client_id, client_secret IS NOT NULL AS secret, acr, scopes,
       subject_claim, made_at, removed_at
FROM identity_providers ORDER BY provider_id;

-- name: remove_provider
UPDATE identity_providers SET removed_at = %(at)s, client_secret = NULL
WHERE provider_id = %(provider_id)s AND removed_at IS NULL
RETURNING municipality_id;

-- Centres and services. As livlina_registry.

-- name: add_alarm_centre
INSERT INTO alarm_centres (name) VALUES (%(name)s) ON CONFLICT (name) DO NOTHING;

-- name: alarm_centre_of_name
SELECT alarm_centre_id FROM alarm_centres WHERE name = %(name)s;

-- name: open_door
UPDATE centres SET alarm_centre_id = %(alarm_centre_id)s WHERE name = %(door)s AND removed_at IS NULL
RETURNING centre_id;

-- name: choose_service
INSERT INTO services (municipality_id, service, valid_from, alarm_centre_id, hours, starts_minute, ends_minute)
VALUES (%(municipality_id)s, %(service)s, %(valid_from)s, %(alarm_centre_id)s, %(hours)s, %(starts)s, %(ends)s)
ON CONFLICT (municipality_id, service, valid_from, alarm_centre_id, hours, starts_minute)
DO UPDATE SET ends_minute = excluded.ends_minute;

-- name: add_district
INSERT INTO districts (municipality_id, name) VALUES (%(municipality_id)s, %(name)s)
ON CONFLICT (municipality_id, name) DO NOTHING;

-- name: district_of_name
SELECT district_id FROM districts WHERE municipality_id = %(municipality_id)s AND name = %(name)s;

-- name: set_zone
UPDATE municipalities SET zone = %(zone)s WHERE municipality_id = %(municipality_id)s;
