-- name: centres
SELECT n.centre_id AS id, n.name, n.protocol, n.reports_taken, coalesce(h.state, 'good') AS state, h.since, h.last_outcome,
       coalesce(o.owed, 0) AS owed, o.oldest
FROM centres n LEFT JOIN centre_health h USING (centre_id)
LEFT JOIN (SELECT centre_id, count(*) FILTER (WHERE NOT test) AS owed, min(queued_at) FILTER (WHERE NOT test) AS oldest
           FROM outbox WHERE delivered_at IS NULL AND withdrawn_at IS NULL GROUP BY centre_id) o USING (centre_id)
WHERE (n.removed_at IS NULL OR o.centre_id IS NOT NULL) AND n.centre_id > %(after)s
ORDER BY n.centre_id LIMIT %(most)s;

-- name: municipalities
SELECT municipality_id AS id, name FROM municipalities
WHERE municipality_id > greatest(%(after)s::bigint, 0) ORDER BY municipality_id LIMIT %(most)s;
