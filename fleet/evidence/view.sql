-- name: entries
-- Actions of every source in one list. The filters that need the content look at it row by row, newest first.
SELECT a.position, a.municipality_id, a.source, a.key, a.at, a.chained_at, v.action, v.actor, v.subject, v.detail, a.digest,
       a.hash
FROM audit_chain a
LEFT JOIN audit_records r ON a.source = 'audit' AND r.record_id = CASE WHEN a.source = 'audit' THEN a.key::bigint END
LEFT JOIN case_log l ON a.source = 'case_log' AND l.position = CASE WHEN a.source = 'case_log' THEN a.key::bigint END
CROSS JOIN LATERAL (SELECT
    CASE a.source WHEN 'audit' THEN r.action WHEN 'case_log' THEN 'case.' || l.change WHEN 'press' THEN 'unit.pressed'
                  WHEN 'receipt' THEN 'unit.receipted' WHEN 'delivery' THEN 'case.delivered'
                  ELSE 'unit.reported' END AS action,
    CASE a.source WHEN 'audit' THEN r.actor WHEN 'case_log' THEN l.actor
                  WHEN 'press' THEN 'unit:' || lpad(to_hex(split_part(a.key, '/', 1)::bigint), 8, '0')
                  WHEN 'unit_event' THEN 'unit:' || lpad(to_hex(split_part(a.key, '/', 1)::bigint), 8, '0')
                  ELSE 'machine:fleet' END AS actor,
    CASE a.source WHEN 'audit' THEN r.subject WHEN 'case_log' THEN 'case:' || l.case_id
                  WHEN 'delivery' THEN 'message:' || a.key
                  ELSE 'unit:' || lpad(to_hex(split_part(a.key, '/', 1)::bigint), 8, '0') END AS subject,
    CASE a.source WHEN 'audit' THEN r.detail WHEN 'case_log' THEN l.detail END AS detail) v
WHERE (%(before)s::bigint IS NULL OR a.position < %(before)s::bigint)
  AND (%(municipality)s::int IS NULL OR a.municipality_id = %(municipality)s::int)
  AND (%(source)s::text IS NULL OR a.source = %(source)s::text)
  AND (%(since)s::timestamptz IS NULL OR a.at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR a.at < %(until)s::timestamptz)
  AND (%(action)s::text IS NULL OR v.action LIKE %(action)s::text || '%%')
  AND (%(actor)s::text IS NULL OR v.actor = %(actor)s::text)
  AND (%(subject)s::text IS NULL OR v.subject = %(subject)s::text)
ORDER BY a.position DESC LIMIT %(most)s;
