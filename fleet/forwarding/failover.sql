-- Failover: how centres are doing, and what moves to the other one. `at` is the worker's present.

-- name: begin_health
INSERT INTO centre_health (centre_id, municipality_id, state, since, probe_at, probe_set_at)
SELECT centre_id, municipality_id, 'good', %(at)s, %(at)s, %(at)s FROM centres WHERE centre_id = %(centre_id)s
ON CONFLICT (centre_id) DO NOTHING;

-- name: health_for_change
-- Not waited for: the case log's lock is held meanwhile, and every alarm behind it.
SELECT state, since, probe_at, doubts, doubted_at, good_probes FROM centre_health
WHERE centre_id = %(centre_id)s FOR UPDATE SKIP LOCKED;

-- name: states
SELECT centre_id, state FROM centre_health;

-- name: keep_health
UPDATE centre_health SET state = %(state)s, since = %(since)s, probe_at = %(probe_at)s, probe_set_at = %(at)s,
                         doubts = %(doubts)s, doubted_at = %(doubted_at)s, good_probes = %(good_probes)s,
                         last_outcome = %(sign)s
WHERE centre_id = %(centre_id)s;

-- name: claim_probes
-- Whoever claims a probe makes it; the next one is due an interval after this one began, whatever is heard. A
-- moment further ahead than an interval was written before the clock was set back.
UPDATE centre_health h SET probe_at = %(at)s + make_interval(secs => %(probe_s)s), probe_set_at = %(at)s
WHERE h.centre_id IN (
    SELECT centre_id FROM centre_health
    WHERE probe_at <= %(at)s OR probe_at > %(at)s + make_interval(secs => %(probe_s)s)
    FOR UPDATE SKIP LOCKED)
RETURNING h.centre_id;

-- name: move
-- What a centre is owed goes to the one that stands in for it, too. The row itself stays owed, and is withdrawn when
-- the other centre has it: as long as neither has, both are tried.
INSERT INTO outbox (municipality_id, centre_id, case_id, unit_id, boot, seq, queued_at, next_try_at, test, reason)
SELECT o.municipality_id, x.other, o.case_id, o.unit_id, o.boot, o.seq, %(at)s, '-infinity', o.test, 'failover'
FROM outbox o JOIN cases c ON c.case_id = o.case_id
JOIN presses p ON p.unit_id = o.unit_id AND p.boot = o.boot AND p.seq = o.seq
CROSS JOIN LATERAL (
    SELECT livlina_other_centre(o.municipality_id, c.unit_type, p.received_at, o.centre_id) AS other) x
WHERE o.delivered_at IS NULL AND o.withdrawn_at IS NULL AND p.accepted_at IS NULL AND x.other IS NOT NULL
  AND o.centre_id = %(centre_id)s AND (%(outbox_id)s::bigint IS NULL OR o.outbox_id = %(outbox_id)s::bigint)
ORDER BY o.outbox_id
ON CONFLICT (unit_id, boot, seq, centre_id) DO NOTHING
RETURNING case_id, municipality_id, test, (SELECT name FROM centres n WHERE n.centre_id = outbox.centre_id) AS centre;

-- name: overdue
-- Live alarms that no centre has had in time and no other centre is being told: whatever holds them up, a killed worker,
-- a slow centre, a long queue, the other one hears of them.
SELECT o.outbox_id, o.centre_id
FROM outbox o JOIN cases c ON c.case_id = o.case_id
JOIN presses p ON p.unit_id = o.unit_id AND p.boot = o.boot AND p.seq = o.seq
WHERE o.delivered_at IS NULL AND o.withdrawn_at IS NULL AND NOT o.test AND p.accepted_at IS NULL
  AND o.queued_at <= %(at)s - make_interval(
        secs => CASE WHEN c.unit_type = 'personal' THEN %(personal_s)s ELSE %(social_s)s END)
  AND NOT EXISTS (SELECT 1 FROM outbox x WHERE x.unit_id = o.unit_id AND x.boot = o.boot AND x.seq = o.seq
                  AND x.centre_id <> o.centre_id)
  AND livlina_other_centre(o.municipality_id, c.unit_type, p.received_at, o.centre_id) IS NOT NULL
ORDER BY o.outbox_id LIMIT 500;

-- name: withdraw_answered
-- What only a person's silence has sent to a centre is not told it any more once a person has taken the case: a centre
-- that was away would hear of it hours later, and send somebody to a case that is closed.
UPDATE outbox SET withdrawn_at = %(at)s
WHERE outbox_id IN (
    SELECT o.outbox_id FROM outbox o JOIN cases c ON c.case_id = o.case_id
    JOIN presses p ON p.unit_id = o.unit_id AND p.boot = o.boot AND p.seq = o.seq
    WHERE o.delivered_at IS NULL AND o.withdrawn_at IS NULL AND o.reason = 'escalation'
      AND c.state <> 'open' AND p.accepted_at IS NOT NULL AND (o.claimed_until IS NULL OR o.claimed_until < %(at)s)
    FOR UPDATE OF o SKIP LOCKED);

-- name: announce_outbox
SELECT pg_notify('livlina_outbox', '');

-- name: case_of_reference
SELECT p.case_id, c.municipality_id FROM presses p JOIN cases c USING (case_id)
WHERE p.unit_id = %(unit_id)s AND p.boot = %(boot)s AND p.seq = %(seq)s;

-- name: centre_by_name
SELECT centre_id, name, protocol, host, port, reports_taken, options FROM centres WHERE name = %(name)s;

-- name: stored_references
SELECT p.unit_id, p.boot, p.seq,
       coalesce((SELECT array_agg(n.name ORDER BY n.name) FROM outbox o JOIN centres n USING (centre_id)
                 WHERE o.unit_id = p.unit_id AND o.boot = p.boot AND o.seq = p.seq AND o.delivered_at IS NOT NULL),
                '{}') AS centres
FROM presses p
WHERE p.received_at >= %(since)s AND p.received_at < %(until)s
  AND EXISTS (SELECT 1 FROM outbox o WHERE o.unit_id = p.unit_id AND o.boot = p.boot AND o.seq = p.seq);
