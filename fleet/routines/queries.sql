-- Routines, roles, recipients and routes. Versions are added; one that holds is never changed.

-- name: routines
SELECT routine_id, municipality_id, name, unit_type, priority, hours, starts_minute, ends_minute, zone, valid_from, steps
FROM routines WHERE municipality_id = ANY (%(municipalities)s::int[]) ORDER BY routine_id;

-- name: routine_by_id
SELECT routine_id, municipality_id, name, unit_type, priority, hours, starts_minute, ends_minute, zone, valid_from, steps
FROM routines WHERE routine_id = %(routine_id)s;

-- name: office_hours
SELECT municipality_id, valid_from, starts_minute, ends_minute FROM office_hours
WHERE municipality_id = ANY (%(municipalities)s::int[]);

-- name: holdings
SELECT r.name AS role, r.municipality_id, r.zone, h.valid_from, h.starts_minute, h.ends_minute, h.place,
       p.recipient_id, p.name AS recipient, p.channel, p.address, p.centre_id, p.language
FROM role_holders h JOIN roles r USING (role_id) JOIN recipients p USING (recipient_id)
WHERE r.municipality_id = ANY (%(municipalities)s::int[]) ORDER BY r.role_id, h.valid_from, h.place;

-- name: holdings_without_addresses
SELECT r.name AS role, r.municipality_id, r.zone, h.valid_from, h.starts_minute, h.ends_minute, h.place,
       p.recipient_id, p.name AS recipient, p.channel, '' AS address, p.centre_id, p.language
FROM role_holders h JOIN roles r USING (role_id) JOIN recipients p USING (recipient_id)
WHERE r.municipality_id = ANY (%(municipalities)s::int[]) ORDER BY r.role_id, h.valid_from, h.place;

-- name: unit
SELECT unit_id, municipality_id, unit_type FROM units WHERE unit_id = %(unit_id)s;

-- name: centres_of_route
SELECT r.rank, n.centre_id, n.name, n.protocol, n.reports_taken, coalesce(h.state, 'good') AS state
FROM (VALUES (1), (2)) AS r(rank)
JOIN centres n ON n.centre_id = livlina_route(%(municipality_id)s, %(unit_type)s, r.rank, %(at)s)
LEFT JOIN centre_health h USING (centre_id) ORDER BY r.rank;

-- name: recipients
SELECT recipient_id, municipality_id, name, channel, address, centre_id, language FROM recipients;

-- name: recipients_without_addresses
SELECT recipient_id, municipality_id, name, channel, centre_id, language FROM recipients;

-- name: roles
SELECT role_id, municipality_id, name, zone FROM roles;

-- name: holder_rows
SELECT h.role_id, h.valid_from, h.starts_minute, h.ends_minute, h.place, h.recipient_id FROM role_holders h;

-- name: route_rows
SELECT municipality_id, unit_type, rank, valid_from, centre_id FROM type_routes;

-- name: centre_names
SELECT centre_id, name, reports_taken FROM centres;

-- name: municipality_numbers
SELECT municipality_id FROM municipalities;

-- name: add_recipient
-- The address as a parameter: excluded.address would be a read, and pages may not read one.
INSERT INTO recipients (municipality_id, name, channel, address, centre_id, language)
VALUES (%(municipality_id)s, %(name)s, %(channel)s, %(address)s, %(centre_id)s, %(language)s)
ON CONFLICT (municipality_id, name) DO UPDATE SET channel = excluded.channel, address = %(address)s,
    centre_id = excluded.centre_id, language = excluded.language;

-- name: add_role
INSERT INTO roles (municipality_id, name, zone) VALUES (%(municipality_id)s, %(name)s, %(zone)s)
ON CONFLICT (municipality_id, name) DO UPDATE SET zone = excluded.zone;

-- name: add_holder
INSERT INTO role_holders (role_id, valid_from, starts_minute, ends_minute, place, municipality_id, recipient_id)
SELECT r.role_id, %(valid_from)s, %(starts_minute)s, %(ends_minute)s, %(place)s, r.municipality_id, p.recipient_id
FROM roles r, recipients p
WHERE r.municipality_id = %(municipality_id)s AND r.name = %(role)s
  AND p.municipality_id = %(recipient_municipality_id)s AND p.name = %(recipient)s
ON CONFLICT (role_id, valid_from, starts_minute, place) DO UPDATE SET
    ends_minute = excluded.ends_minute, recipient_id = excluded.recipient_id;

-- name: add_office_hours
INSERT INTO office_hours (municipality_id, valid_from, starts_minute, ends_minute)
VALUES (%(municipality_id)s, %(valid_from)s, %(starts_minute)s, %(ends_minute)s) ON CONFLICT DO NOTHING;

-- name: add_route
INSERT INTO type_routes (municipality_id, unit_type, rank, valid_from, centre_id)
SELECT %(municipality_id)s, %(unit_type)s, %(rank)s, %(valid_from)s, centre_id FROM centres WHERE name = %(centre)s
ON CONFLICT (municipality_id, unit_type, rank, valid_from) DO UPDATE SET centre_id = excluded.centre_id;

-- name: add_routine
INSERT INTO routines (municipality_id, name, unit_type, priority, hours, starts_minute, ends_minute, zone, valid_from,
                      steps, made_at)
VALUES (%(municipality_id)s, %(name)s, %(unit_type)s, %(priority)s, %(hours)s, %(starts_minute)s, %(ends_minute)s,
        %(zone)s, %(valid_from)s, %(steps)s, %(made_at)s)
ON CONFLICT (municipality_id, unit_type, priority, hours, starts_minute, ends_minute, valid_from) DO UPDATE SET
    name = excluded.name, zone = excluded.zone, steps = excluded.steps, made_at = excluded.made_at;

-- name: set_reports_taken
UPDATE centres SET reports_taken = %(reports_taken)s WHERE name = %(centre)s;

-- name: units_of
SELECT unit_id, municipality_id, unit_type FROM units WHERE state = 'active';
