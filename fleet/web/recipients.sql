-- Recipients for the pages. Nothing here reads the sealed part.

-- name: recipients
-- By number. `low` and `high` bound the reference from both sides, so that its index is used.
SELECT r.recipient_id, r.reference, r.priority, r.district, r.protected, m.name AS municipality,
       ARRAY(SELECT l.unit_id FROM unit_recipients l WHERE l.recipient_id = r.recipient_id AND l.role = 'responsible'
             ORDER BY l.unit_id) AS units
FROM care_recipients r JOIN municipalities m USING (municipality_id)
WHERE r.ended_at IS NULL AND r.recipient_id > %(after)s
  AND (%(municipality)s::int IS NULL OR r.municipality_id = %(municipality)s::int)
ORDER BY r.recipient_id LIMIT %(most)s;

-- name: recipients_by_reference
SELECT r.recipient_id, r.reference, r.priority, r.district, r.protected, m.name AS municipality,
       ARRAY(SELECT l.unit_id FROM unit_recipients l WHERE l.recipient_id = r.recipient_id AND l.role = 'responsible'
             ORDER BY l.unit_id) AS units
FROM care_recipients r JOIN municipalities m USING (municipality_id)
WHERE r.reference ~>=~ %(low)s AND r.reference ~<~ %(high)s AND r.ended_at IS NULL
  AND (%(municipality)s::int IS NULL OR r.municipality_id = %(municipality)s::int)
ORDER BY r.reference USING ~<~, r.recipient_id LIMIT %(most)s;
