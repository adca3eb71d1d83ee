-- SIM cards and modems that are in another place than they were. Asked before the statuses are kept.

-- name: doubt_keys
UPDATE unit_keys SET shared_since = %(at)s WHERE unit_id = ANY (%(units)s::bigint[]) AND shared_since IS NULL;

-- name: trust_keys
-- Of units whose tasks about it a technician has closed.
UPDATE unit_keys k SET shared_since = NULL
WHERE k.shared_since IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM technician_tasks t WHERE t.unit_id = k.unit_id AND t.closed_at IS NULL
                  AND t.kind = ANY (%(kinds)s::text[]));

-- name: moves
-- slot 0: another modem. A SIM that is registered for this slot is at home, whatever was there before.
SELECT s.unit_id, t.at, 0 AS slot, t.imei AS told, s.imei AS before, NULL AS registered, NULL::bigint AS other_unit
FROM unnest(%(unit_id)s::bigint[], %(at)s::timestamptz[], %(imei)s::text[]) AS t(unit_id, at, imei)
JOIN unit_states s USING (unit_id)
WHERE t.imei <> s.imei
UNION ALL
SELECT s.unit_id, t.at, c.slot, c.told, c.before, r.iccid, o.unit_id
FROM unnest(%(unit_id)s::bigint[], %(at)s::timestamptz[], %(iccid1)s::text[], %(iccid2)s::text[])
     AS t(unit_id, at, iccid1, iccid2)
JOIN unit_states s USING (unit_id)
CROSS JOIN LATERAL unnest(ARRAY[t.iccid1, t.iccid2], ARRAY[s.iccid1, s.iccid2], ARRAY[1, 2]) AS c(told, before, slot)
LEFT JOIN unit_sims r ON r.unit_id = t.unit_id AND r.slot = c.slot
LEFT JOIN LATERAL (
    SELECT e.unit_id FROM unit_states e
    WHERE e.unit_id <> t.unit_id AND (e.iccid1 = c.told OR e.iccid2 = c.told) ORDER BY e.seen_at DESC LIMIT 1
) AS o ON c.told IS DISTINCT FROM c.before
WHERE c.told IS NOT NULL AND c.told IS DISTINCT FROM c.before
  AND (o.unit_id IS NOT NULL OR c.told <> coalesce(c.before, r.iccid) AND c.told IS DISTINCT FROM r.iccid);
