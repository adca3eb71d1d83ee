-- Carrying out what supervision asks for. `at` is the caller's present.

-- name: claim
-- What was asked lately and nobody has taken. A unit that was heard since needs no step any more.
UPDATE supervision_steps p SET taken_at = %(at)s
FROM (SELECT step_id FROM supervision_steps
      WHERE taken_at IS NULL AND step = ANY (%(steps)s::text[])
      ORDER BY step_id LIMIT %(most)s FOR UPDATE SKIP LOCKED) AS c
WHERE p.step_id = c.step_id
RETURNING p.step_id, p.unit_id, p.municipality_id, p.step, p.asked_at, p.asked_at < %(since)s AS stale,
    EXISTS (SELECT 1 FROM unit_states s WHERE s.unit_id = p.unit_id AND s.seen_at > p.asked_at) AS heard,
    (SELECT count(*) FROM supervision_steps o WHERE o.unit_id = p.unit_id AND o.step = p.step AND o.step_id < p.step_id
       AND o.asked_at > p.asked_at - interval '1 hour') AS before;

-- name: settle
UPDATE supervision_steps SET outcome = %(outcome)s, attached = %(attached)s,
    answered_at = CASE WHEN %(attached)s::boolean IS NULL THEN answered_at ELSE %(at)s END
WHERE step_id = %(step_id)s;

-- name: cards
-- The SIM cards of a unit, the one that it was last heard on first.
SELECT c.iccid, c.msisdn, c.provider_id, c.state
FROM unit_states s
CROSS JOIN LATERAL (VALUES (1, s.iccid1), (2, s.iccid2)) AS told(slot, iccid)
LEFT JOIN unit_sims r ON r.unit_id = s.unit_id AND r.slot = told.slot
JOIN sims c ON c.iccid = coalesce(told.iccid, r.iccid)
WHERE s.unit_id = %(unit_id)s
ORDER BY (s.bearer IS NOT DISTINCT FROM told.slot + 2) DESC, told.slot;

-- name: prune
DELETE FROM supervision_steps WHERE asked_at < %(before)s;
