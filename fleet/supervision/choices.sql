-- Which reporting times a municipality has chosen for a type of unit. Runs as livlina_registry; `chosen` as
-- livlina_supervise.

-- name: choose
INSERT INTO supervision_profiles AS p (municipality_id, unit_type, name, report_s, spare_s, source, set_at, set_by)
SELECT m.municipality_id, %(unit_type)s, %(name)s, %(report_s)s, %(spare_s)s, %(source)s, %(at)s, %(actor)s
FROM municipalities m WHERE m.municipality_id = %(municipality)s
ON CONFLICT (municipality_id, unit_type) DO UPDATE SET name = excluded.name, report_s = excluded.report_s,
    spare_s = excluded.spare_s, source = excluded.source, set_at = excluded.set_at, set_by = excluded.set_by
RETURNING municipality_id;

-- name: chosen
SELECT municipality_id, unit_type, name AS profile, report_s, spare_s FROM supervision_profiles;

-- name: choices
SELECT municipality_id AS municipality, unit_type AS type, name, report_s, spare_s, source, set_at, set_by
FROM supervision_profiles WHERE %(municipality)s::int IS NULL OR municipality_id = %(municipality)s
ORDER BY municipality_id, unit_type;
