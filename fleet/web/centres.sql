-- Alarm centres as the pages show them. Runs as livlina_web: of the outbox it sees the rows of the session's municipalities.

-- name: centres
-- What is owed is counted in one pass over the partial index outbox_due.
SELECT n.centre_id, n.name, n.protocol, n.reports_taken, coalesce(h.state, 'good') AS state, h.since, h.last_outcome,
       h.good_probes, h.probe_at, coalesce(o.owed, 0) AS owed, o.oldest, coalesce(o.tests, 0) AS tests,
       coalesce(t.troubles, '[]') AS troubles
FROM centres n LEFT JOIN centre_health h USING (centre_id)
LEFT JOIN (SELECT centre_id, count(*) FILTER (WHERE NOT test) AS owed, count(*) FILTER (WHERE test) AS tests,
                  min(queued_at) FILTER (WHERE NOT test) AS oldest
           FROM outbox WHERE delivered_at IS NULL AND withdrawn_at IS NULL GROUP BY centre_id) o USING (centre_id)
LEFT JOIN (SELECT centre_id, jsonb_agg(jsonb_build_object('kind', kind, 'unit', lpad(to_hex(unit_id), 8, '0'),
                                    'code', code, 'times', times, 'last', last_at) ORDER BY kind, last_at DESC) AS troubles
           FROM (SELECT *, row_number() OVER (PARTITION BY centre_id, kind ORDER BY last_at DESC) AS place
                 FROM centre_troubles WHERE ended_at IS NULL AND (unit_id IS NULL OR kind = 'unit')) k
           WHERE place <= 20 GROUP BY centre_id) t USING (centre_id)
WHERE n.removed_at IS NULL OR o.centre_id IS NOT NULL
ORDER BY n.name;
