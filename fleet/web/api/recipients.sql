-- name: recipients
SELECT r.recipient_id AS id, r.municipality_id, r.reference, r.priority, r.district, r.protected, r.lives_alone,
       r.made_at, r.ended_at
FROM care_recipients r
WHERE r.recipient_id > %(after)s
  AND (%(municipality)s::int IS NULL OR r.municipality_id = %(municipality)s::int)
  AND (%(begins)s::text IS NULL OR r.reference LIKE %(begins)s::text || '%%')
ORDER BY r.recipient_id LIMIT %(most)s;

-- name: lock
SELECT recipient_id FROM care_recipients WHERE recipient_id = %(recipient_id)s FOR UPDATE;
