-- name: people
SELECT p.person_id AS id, p.login, p.display_name AS name, p.municipality_id, p.made_at, p.closed_at,
       (SELECT coalesce(json_agg(json_build_object('id', r.person_role_id, 'role', r.role,
                                                   'municipality', r.municipality_id, 'centre', r.alarm_centre_id)
                                 ORDER BY r.person_role_id), '[]')
        FROM person_roles r WHERE r.user_id = p.person_id) AS roles
FROM people p WHERE p.person_id > %(after)s ORDER BY p.person_id LIMIT %(most)s;

-- name: person
SELECT p.person_id AS id, p.login, p.display_name AS name, p.municipality_id, p.made_at, p.closed_at,
       (SELECT coalesce(json_agg(json_build_object('id', r.person_role_id, 'role', r.role,
                                                   'municipality', r.municipality_id, 'centre', r.alarm_centre_id)
                                 ORDER BY r.person_role_id), '[]')
        FROM person_roles r WHERE r.user_id = p.person_id) AS roles
FROM people p WHERE p.person_id = %(person_id)s;

-- name: tokens
SELECT token_id AS id, name, prefix, role, municipalities, made_at, made_by, expires_at, revoked_at, used_at
FROM api_tokens WHERE token_id > %(after)s ORDER BY token_id LIMIT %(most)s;
