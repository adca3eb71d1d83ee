-- Alarm centres, which municipality has which service of them, districts, identity providers. Runs as livlina_web.

-- name: alarm_centres
SELECT a.alarm_centre_id AS id, a.name,
       (SELECT coalesce(jsonb_agg(n.name ORDER BY n.name), '[]') FROM centres n
        WHERE n.alarm_centre_id = a.alarm_centre_id AND n.removed_at IS NULL) AS doors
FROM alarm_centres a WHERE a.alarm_centre_id > %(after)s ORDER BY a.alarm_centre_id LIMIT %(most)s;

-- name: services
-- `now`: the version that holds at this moment, or one that is still to come.
SELECT s.municipality_id AS municipality, s.service, a.alarm_centre_id AS centre_id, a.name AS centre, s.hours,
       s.starts_minute AS starts, s.ends_minute AS ends, s.valid_from,
       s.valid_from >= coalesce((SELECT max(v.valid_from) FROM services v
                                 WHERE v.municipality_id = s.municipality_id AND v.service = s.service
                                   AND v.valid_from <= %(at)s), s.valid_from) AS now
FROM services s JOIN alarm_centres a USING (alarm_centre_id)
WHERE (%(municipality)s::int IS NULL OR s.municipality_id = %(municipality)s)
ORDER BY s.municipality_id, s.service, s.valid_from DESC, s.starts_minute, a.name LIMIT %(most)s;

-- name: districts
SELECT d.district_id AS id, d.municipality_id AS municipality, d.name,
       (SELECT count(*) FROM care_recipients r WHERE r.municipality_id = d.municipality_id
        AND r.district_id = d.district_id AND r.ended_at IS NULL) AS recipients
FROM districts d
WHERE d.district_id > %(after)s AND (%(municipality)s::int IS NULL OR d.municipality_id = %(municipality)s)
ORDER BY d.district_id LIMIT %(most)s;

-- name: providers
SELECT provider_id AS id, municipality_id AS municipality, name, issuer, client_id, acr, scopes, subject_claim, made_at,
       removed_at
FROM identity_providers WHERE provider_id > %(after)s ORDER BY provider_id LIMIT %(most)s;
