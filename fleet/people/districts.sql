-- Districts that change. Runs as livlina_web: row level security keeps it to the caller's municipalities.

-- name: lock
-- A recipient that is added to a district at this moment waits for the row, and then for what became of it.
SELECT d.district_id AS id, d.municipality_id AS municipality, d.name,
       (SELECT count(*) FROM care_recipients r WHERE r.municipality_id = d.municipality_id
        AND r.district_id = d.district_id AND r.ended_at IS NULL) AS recipients
FROM districts d WHERE d.district_id = %(district_id)s FOR UPDATE;

-- name: of_name
SELECT district_id FROM districts WHERE municipality_id = %(municipality_id)s AND name = %(name)s;

-- name: rename
UPDATE districts SET name = %(name)s WHERE district_id = %(district_id)s;

-- name: move
-- The row follows the name (trigger district_of).
UPDATE care_recipients SET district = %(name)s
WHERE municipality_id = %(municipality_id)s AND district_id = %(district_id)s
  AND (district, district_id) IS DISTINCT FROM (%(name)s, %(into)s::int)
RETURNING recipient_id;

-- name: remove
DELETE FROM districts WHERE district_id = %(district_id)s;
