-- Outbox statements. A worker claims with SKIP LOCKED, sends outside any transaction, then settles. `at` is the worker's
-- present; no statement asks a clock of its own.

-- name: centres
SELECT centre_id, name, protocol, host, port, reports_taken, options FROM centres ORDER BY centre_id;

-- name: claim
-- A claim is a lease: a worker that was killed loses it when it runs out, and nothing else has to notice. A moment that
-- lies further ahead than this server ever sets one was written before the clock was set back: it holds nothing up.
-- Live alarms go before every test. A press waits while an older one of its unit is on its way, or is being claimed by
-- somebody else at this moment (it is due and yet not among those that could be locked); one that is in back-off holds
-- up nobody, and a test no live press.
WITH waiting AS (
    SELECT o.outbox_id, o.unit_id, o.test,
           (o.next_try_at <= %(at)s OR o.next_try_at > %(at)s + make_interval(secs => %(longest_delay_s)s))
           AND NOT coalesce(o.claimed_until BETWEEN %(at)s AND %(at)s + make_interval(secs => %(lease_s)s), false) AS due,
           coalesce(o.claimed_until BETWEEN %(at)s AND %(at)s + make_interval(secs => %(lease_s)s), false) AS on_its_way
    FROM outbox o
    WHERE o.centre_id = %(centre_id)s AND o.delivered_at IS NULL AND o.withdrawn_at IS NULL
),
ready AS (
    SELECT o.outbox_id, o.unit_id, o.test FROM outbox o
    WHERE o.centre_id = %(centre_id)s AND o.delivered_at IS NULL AND o.withdrawn_at IS NULL
      AND (o.next_try_at <= %(at)s OR o.next_try_at > %(at)s + make_interval(secs => %(longest_delay_s)s))
      AND NOT coalesce(o.claimed_until BETWEEN %(at)s AND %(at)s + make_interval(secs => %(lease_s)s), false)
    ORDER BY o.test, o.outbox_id LIMIT %(most)s FOR UPDATE OF o SKIP LOCKED
),
first AS (
    SELECT r.outbox_id, r.test FROM ready r
    WHERE NOT EXISTS (
        SELECT 1 FROM waiting w
        WHERE w.unit_id = r.unit_id AND w.outbox_id < r.outbox_id AND (r.test OR NOT w.test)
          AND (w.on_its_way OR (w.due AND w.outbox_id NOT IN (SELECT outbox_id FROM ready))))
),
due AS (
    -- Never a test beside a live alarm, and tests a few at a time.
    SELECT outbox_id FROM first WHERE NOT test
    UNION ALL
    (SELECT outbox_id FROM first WHERE test AND NOT EXISTS (SELECT 1 FROM ready WHERE NOT test)
     ORDER BY outbox_id LIMIT %(most_tests)s)
),
claimed AS (
    UPDATE outbox o SET claimed_until = %(at)s + make_interval(secs => %(lease_s)s), attempts = o.attempts + 1
    FROM due WHERE o.outbox_id = due.outbox_id
    RETURNING o.outbox_id, o.case_id, o.unit_id, o.boot, o.seq, o.attempts, o.queued_at, o.last_outcome, o.test, o.reason
)
SELECT k.*, p.received_at, p.pressed_at, p.transport, p.kind, p.input, p.count, p.age_s, p.battery, p.flags, p.marks,
       c.unit_type, c.priority, c.presses
FROM claimed k
JOIN presses p USING (unit_id, boot, seq)
JOIN cases c ON c.case_id = k.case_id
ORDER BY k.test, k.outbox_id;

-- name: release
UPDATE outbox SET claimed_until = NULL, attempts = greatest(attempts - 1, 0)
WHERE outbox_id = ANY (%(outbox_ids)s::bigint[]) AND delivered_at IS NULL;

-- name: settle_delivered
UPDATE outbox SET delivered_at = %(at)s, claimed_until = NULL, last_outcome = 'delivered'
WHERE outbox_id = ANY (%(outbox_ids)s::bigint[]) AND delivered_at IS NULL;

-- name: withdraw_elsewhere
-- One centre has it, so the other one is not to be told: two centres would send somebody. What a person's silence has
-- sent to the second centre goes there all the same.
UPDATE outbox w SET withdrawn_at = %(at)s
FROM outbox o
WHERE o.outbox_id = ANY (%(outbox_ids)s::bigint[])
  AND w.unit_id = o.unit_id AND w.boot = o.boot AND w.seq = o.seq AND w.centre_id <> o.centre_id
  AND w.delivered_at IS NULL AND w.withdrawn_at IS NULL AND w.reason <> 'escalation';

-- name: accept_presses
-- A test is taken by the machine as soon as a centre has it.
UPDATE presses p SET accepted_at = %(at)s, taken_at = CASE WHEN o.test THEN %(at)s::timestamptz ELSE p.taken_at END
FROM outbox o
WHERE o.outbox_id = ANY (%(outbox_ids)s::bigint[]) AND p.unit_id = o.unit_id AND p.boot = o.boot AND p.seq = o.seq
  AND p.accepted_at IS NULL
RETURNING p.unit_id;

-- name: accept_cases
-- Only where no press of the case waits for a centre: an operator must not read "accepted" of a press that none has.
UPDATE cases c SET accepted_at = %(at)s, accepted_by = n.name, refused_by = NULL, responsible_centre = n.centre_id,
                   reports_taken = n.reports_taken,
                   responsible = CASE WHEN c.state = 'open' THEN n.name ELSE c.responsible END
FROM outbox o, centres n
WHERE o.outbox_id = ANY (%(outbox_ids)s::bigint[]) AND c.case_id = o.case_id AND c.accepted_at IS NULL AND NOT c.test
  AND n.centre_id = %(centre_id)s
  AND NOT EXISTS (SELECT 1 FROM outbox x JOIN presses p USING (unit_id, boot, seq)
                  WHERE x.case_id = c.case_id AND NOT x.test AND p.accepted_at IS NULL)
RETURNING c.case_id, c.municipality_id;

-- name: pass_on_cases
-- Escalated to this centre: it is responsible now, beside the one that had accepted and whose people did not answer.
UPDATE cases c SET responsible_centre = n.centre_id, responsible = n.name, reports_taken = n.reports_taken
FROM outbox o, centres n
WHERE o.outbox_id = ANY (%(outbox_ids)s::bigint[]) AND o.reason = 'escalation' AND c.case_id = o.case_id
  AND c.state = 'open' AND NOT c.test AND n.centre_id = %(centre_id)s
  AND c.responsible_centre IS DISTINCT FROM n.centre_id
RETURNING c.case_id, c.municipality_id;

-- name: prove_buttons
-- A test that names no input was pressed by nobody: it proves the bearer, and no button.
INSERT INTO button_proofs (unit_id, boot, seq, municipality_id, input, bearer, at, centre_id)
SELECT p.unit_id, p.boot, p.seq, p.municipality_id, p.input, p.bearer, %(at)s, o.centre_id
FROM outbox o JOIN presses p ON p.unit_id = o.unit_id AND p.boot = o.boot AND p.seq = o.seq
WHERE o.outbox_id = ANY (%(outbox_ids)s::bigint[]) AND o.test AND p.input IS NOT NULL
ON CONFLICT (unit_id, boot, seq) DO NOTHING;

-- name: close_tests
UPDATE cases c SET state = 'closed', accepted_at = coalesce(c.accepted_at, %(at)s), accepted_by = %(centre)s,
                   taken_at = %(at)s, taken_by = 'machine', closed_at = %(at)s, closed_by = 'machine', outcome = 'test'
FROM outbox o
WHERE o.outbox_id = ANY (%(outbox_ids)s::bigint[]) AND c.case_id = o.case_id AND c.test AND c.state <> 'closed'
  AND NOT EXISTS (SELECT 1 FROM presses p WHERE p.case_id = c.case_id AND p.accepted_at IS NULL)
RETURNING c.case_id, c.municipality_id;

-- name: settle_failed
UPDATE outbox SET claimed_until = NULL, last_outcome = %(outcome)s,
                  next_try_at = %(at)s + make_interval(secs => %(delay_s)s)
WHERE outbox_id = %(outbox_id)s AND delivered_at IS NULL;

-- name: refuse_case
UPDATE cases SET refused_by = %(centre)s
WHERE case_id = %(case_id)s AND accepted_at IS NULL AND refused_by IS DISTINCT FROM %(centre)s
RETURNING case_id, municipality_id;
