-- Positions behind an alarm, for the centre that has its case. `at` is the worker's present.

-- name: any_live
SELECT EXISTS (SELECT 1 FROM case_positions WHERE ended_at IS NULL) AS live;

-- name: end_positions
-- What has no open case any more, and what a newer position of the same press has replaced. A position may come before
-- its press does, after an outage; so it waits for a while.
UPDATE case_positions p SET ended_at = %(at)s
WHERE p.ended_at IS NULL AND (
    p.received_at <= %(at)s - make_interval(secs => %(kept_s)s)
    OR EXISTS (SELECT 1 FROM presses k JOIN cases c USING (case_id)
               WHERE k.unit_id = p.unit_id AND k.boot = p.about_boot AND k.seq = p.about_seq AND c.state = 'closed')
    OR p.received_at <= %(at)s - make_interval(secs => %(waits_s)s)
       AND NOT EXISTS (SELECT 1 FROM cases c WHERE c.unit_id = p.unit_id AND c.state <> 'closed' AND NOT c.test)
    OR EXISTS (SELECT 1 FROM case_positions n
               WHERE n.unit_id = p.unit_id AND n.ended_at IS NULL
                 AND (n.about_boot, n.about_seq) IS NOT DISTINCT FROM (p.about_boot, p.about_seq)
                 AND (n.received_at, n.boot, n.seq) > (p.received_at, p.boot, p.seq)));

-- name: withdraw_positions
-- A centre is not told where somebody was an hour ago, nor of what no longer concerns it.
UPDATE position_outbox x SET withdrawn_at = %(at)s
FROM case_positions p
WHERE x.delivered_at IS NULL AND x.withdrawn_at IS NULL AND (x.claimed_until IS NULL OR x.claimed_until < %(at)s)
  AND p.unit_id = x.unit_id AND p.boot = x.boot AND p.seq = x.seq
  AND (p.ended_at IS NOT NULL
       OR NOT (SELECT m.positions_to_centres FROM municipalities m WHERE m.municipality_id = x.municipality_id)
       OR EXISTS (SELECT 1 FROM search_positions h JOIN search_sessions s USING (search_id)
                  WHERE h.unit_id = x.unit_id AND h.boot = x.boot AND h.seq = x.seq
                    AND (s.ended_at IS NOT NULL OR s.ends_at <= %(at)s)));

-- name: owe_positions
-- The newest position of an open case, to the centre that has the case, if a press of it was delivered there: the
-- message speaks of that press. A personal alarm tells where it is after a press; a tracker only in a search that was
-- opened for this very case; nobody else's position goes anywhere.
INSERT INTO position_outbox (outbox_id, municipality_id, centre_id, case_id, unit_id, boot, seq, press_boot, press_seq,
                             queued_at, next_try_at)
SELECT nextval('outbox_outbox_id_seq'), w.municipality_id, w.centre_id, w.case_id, w.unit_id, w.boot, w.seq,
       w.press_boot, w.press_seq, %(at)s, '-infinity'
FROM (
    SELECT DISTINCT ON (c.case_id) c.case_id, c.municipality_id, n.centre_id, p.unit_id, p.boot, p.seq,
           t.boot AS press_boot, t.seq AS press_seq
    FROM case_positions p
    JOIN cases c ON c.unit_id = p.unit_id AND c.state <> 'closed' AND NOT c.test
    JOIN municipalities m ON m.municipality_id = c.municipality_id AND m.positions_to_centres
    JOIN centres n ON n.centre_id = c.responsible_centre AND coalesce(n.options ->> 'positions', 'true') <> 'false'
    CROSS JOIN LATERAL (
        SELECT o.boot, o.seq FROM outbox o
        WHERE o.case_id = c.case_id AND o.centre_id = n.centre_id AND o.delivered_at IS NOT NULL AND NOT o.test
        ORDER BY coalesce(o.boot = p.about_boot AND o.seq = p.about_seq, false) DESC, o.outbox_id DESC LIMIT 1) t
    WHERE p.ended_at IS NULL AND (
        c.unit_type = 'personal' AND EXISTS (
            SELECT 1 FROM presses k WHERE k.unit_id = p.unit_id AND k.boot = p.about_boot AND k.seq = p.about_seq
                                      AND k.case_id = c.case_id)
        OR c.unit_type = 'tracker' AND EXISTS (
            SELECT 1 FROM search_positions h JOIN search_sessions s USING (search_id)
            WHERE h.unit_id = p.unit_id AND h.boot = p.boot AND h.seq = p.seq AND s.case_id = c.case_id
              AND s.ended_at IS NULL AND s.ends_at > %(at)s))
    ORDER BY c.case_id, p.received_at DESC, p.boot DESC, p.seq DESC
) w
WHERE NOT EXISTS (SELECT 1 FROM position_outbox x
                  WHERE x.unit_id = w.unit_id AND x.boot = w.boot AND x.seq = w.seq AND x.centre_id = w.centre_id)
ON CONFLICT (unit_id, boot, seq, centre_id) DO NOTHING;

-- name: claim_positions
-- A lease, as for alarms; a moment further ahead than a pause was written before the clock was set back. The position
-- itself is read here and nowhere kept: a tracker's only while its search runs.
WITH due AS (
    SELECT x.outbox_id FROM position_outbox x
    WHERE x.delivered_at IS NULL AND x.withdrawn_at IS NULL AND x.centre_id = ANY (%(free)s::int[])
      AND (x.next_try_at <= %(at)s OR x.next_try_at > %(at)s + make_interval(secs => %(longest_delay_s)s))
      AND NOT coalesce(x.claimed_until BETWEEN %(at)s AND %(at)s + make_interval(secs => %(lease_s)s), false)
    ORDER BY x.outbox_id LIMIT %(most)s FOR UPDATE OF x SKIP LOCKED
),
claimed AS (
    UPDATE position_outbox x SET claimed_until = %(at)s + make_interval(secs => %(lease_s)s), attempts = x.attempts + 1
    FROM due WHERE x.outbox_id = due.outbox_id
    RETURNING x.*
)
SELECT k.outbox_id, k.centre_id, k.municipality_id, k.case_id, k.unit_id, k.press_boot AS boot, k.press_seq AS seq,
       k.attempts, k.last_outcome, false AS test, 'route' AS reason,
       p.received_at, p.pressed_at, p.transport, p.kind, p.input, p.count, p.age_s, p.battery, p.flags, p.marks,
       c.unit_type, c.priority, c.presses,
       k.boot AS event_boot, k.seq AS event_seq, q.received_at AS told_at, e.age_s AS told_age_s,
       CASE WHEN c.unit_type = 'tracker'
            THEN (SELECT h.data FROM search_positions h JOIN search_sessions s USING (search_id)
                  WHERE h.unit_id = k.unit_id AND h.boot = k.boot AND h.seq = k.seq AND s.ended_at IS NULL
                    AND s.ends_at > %(at)s)
            ELSE e.data END AS data
FROM claimed k
JOIN case_positions q ON q.unit_id = k.unit_id AND q.boot = k.boot AND q.seq = k.seq
JOIN presses p ON p.unit_id = k.unit_id AND p.boot = k.press_boot AND p.seq = k.press_seq
JOIN cases c ON c.case_id = k.case_id
LEFT JOIN unit_events e ON e.unit_id = k.unit_id AND e.boot = k.boot AND e.seq = k.seq
ORDER BY k.outbox_id;

-- name: position_told
UPDATE position_outbox SET delivered_at = %(at)s, claimed_until = NULL, last_outcome = 'delivered'
WHERE outbox_id = %(outbox_id)s AND delivered_at IS NULL
RETURNING case_id;

-- name: position_dropped
UPDATE position_outbox SET withdrawn_at = %(at)s, claimed_until = NULL, last_outcome = %(outcome)s
WHERE outbox_id = %(outbox_id)s AND delivered_at IS NULL;

-- name: position_failed
UPDATE position_outbox SET claimed_until = NULL, last_outcome = %(outcome)s,
                           next_try_at = %(at)s + make_interval(secs => %(delay_s)s)
WHERE outbox_id = %(outbox_id)s AND delivered_at IS NULL;

-- name: release_positions
UPDATE position_outbox SET claimed_until = NULL, attempts = greatest(attempts - 1, 0)
WHERE outbox_id = ANY (%(outbox_ids)s::bigint[]) AND delivered_at IS NULL;
