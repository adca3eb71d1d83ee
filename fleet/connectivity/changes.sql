-- Staged changes of SIM policies. `at` is the watch's present.

-- name: add
INSERT INTO policy_changes (municipality_id, policy, stages, soak_s, most_failed, within_s, actor, made_at, left_out)
VALUES (%(municipality_id)s, %(policy)s, %(stages)s, %(soak_s)s, %(most_failed)s, %(within_s)s, %(actor)s, %(at)s,
        %(left_out)s)
RETURNING change_id;

-- name: candidates
-- Units that somebody relies on and that have the preferred slot: another one's policy would leave it without a SIM.
-- Where the fleet chooses, slot is NULL: units with any.
SELECT u.unit_id FROM units u
WHERE u.state = 'active' AND u.life = 'active' AND (%(municipality)s::int IS NULL OR u.municipality_id = %(municipality)s)
  AND (EXISTS (SELECT 1 FROM unit_paths p WHERE p.unit_id = u.unit_id AND p.slot = coalesce(%(slot)s, p.slot) AND p.slot > 0)
       OR EXISTS (SELECT 1 FROM unit_sims r WHERE r.unit_id = u.unit_id AND r.slot = coalesce(%(slot)s, r.slot)))
  AND NOT EXISTS (SELECT 1 FROM policy_change_units o JOIN policy_changes c USING (change_id)
                  WHERE o.unit_id = u.unit_id AND o.settled_at IS NULL AND c.state IN ('running', 'paused'))
ORDER BY u.unit_id;

-- name: add_units
INSERT INTO policy_change_units (change_id, unit_id, municipality_id, stage, preferred)
SELECT %(change_id)s, t.unit_id, u.municipality_id, t.stage, t.preferred
FROM unnest(%(unit_id)s::bigint[], %(stage)s::int[], %(preferred)s::int[]) AS t(unit_id, stage, preferred)
JOIN units u USING (unit_id);

-- name: running
SELECT * FROM policy_changes WHERE state = 'running' ORDER BY change_id FOR UPDATE SKIP LOCKED;

-- name: change
SELECT * FROM policy_changes WHERE change_id = %(change_id)s;

-- name: counts
SELECT stage, state, count(*) AS units FROM policy_change_units WHERE change_id = %(change_id)s
GROUP BY stage, state ORDER BY stage, state;

-- name: to_order
-- Oldest first; `last_return` is when the unit last came back to a SIM, or was last told to.
SELECT d.unit_id, d.preferred,
       greatest((SELECT max(e.received_at) FROM unit_events e
                 WHERE e.unit_id = d.unit_id AND e.kind = 13 AND e.received_at > %(at)s::timestamptz - interval '1 day'),
                (SELECT max(c.queued_at) FROM unit_commands c WHERE c.unit_id = d.unit_id AND c.kind IN (4, 7)))
           AS last_return
FROM policy_change_units d
WHERE d.change_id = %(change_id)s AND d.stage <= %(stage)s AND d.state = 'waiting'
ORDER BY d.unit_id LIMIT %(most)s;

-- name: ordered
UPDATE policy_change_units SET state = 'ordered', number = %(number)s, ordered_at = %(at)s
WHERE change_id = %(change_id)s AND unit_id = %(unit_id)s;

-- name: note_answers
-- A unit reports the policy by its answer to the order; one that cannot hold it has failed. An answer's data name the
-- highest argument that the unit knows (CBOR, docs/wire.md); `knows` is the least that this policy needs, NULL where
-- every unit knows it.
UPDATE policy_change_units d SET
    state = CASE WHEN a.held THEN 'reported' ELSE 'failed' END, reported_at = a.answered_at,
    settled_at = CASE WHEN a.held THEN NULL ELSE %(at)s::timestamptz END,
    why = CASE WHEN a.held THEN NULL
               WHEN a.result = 0 THEN 'the unit''s firmware does not know roaming and hold times: update it first'
               ELSE 'the unit does not take the policy: result ' || a.result END
FROM (SELECT c.unit_id, c.number, c.answered_at, c.result,
             c.result = 0 AND (%(knows)s::bytea IS NULL OR coalesce(
                 c.answer >= %(knows)s::bytea AND substring(c.answer FROM 1 FOR 2) = substring(%(knows)s::bytea FROM 1 FOR 2),
                 false)) AS held
      FROM unit_commands c WHERE c.answered_at IS NOT NULL) a
WHERE d.change_id = %(change_id)s AND d.state = 'ordered' AND a.unit_id = d.unit_id AND a.number = d.number;

-- name: note_tests
-- A test: a press or the unit's own proof of the preferred SIM, since it reported the policy.
UPDATE policy_change_units d SET state = 'done', settled_at = %(at)s
WHERE d.change_id = %(change_id)s AND d.state = 'reported'
  AND EXISTS (SELECT 1 FROM unit_paths p
              WHERE p.unit_id = d.unit_id AND p.slot = coalesce(d.preferred, %(slot)s) AND p.proven_at >= d.reported_at);

-- name: give_up
UPDATE policy_change_units d SET state = 'failed', settled_at = %(at)s,
    why = CASE d.state WHEN 'ordered' THEN 'the unit did not answer' ELSE 'no test came on the preferred SIM' END
WHERE d.change_id = %(change_id)s AND d.state IN ('ordered', 'reported')
  AND d.ordered_at <= %(at)s::timestamptz - %(within)s::interval;

-- name: expire_orders
-- What was ordered and not taken is not sent any more.
UPDATE unit_commands c SET expires_at = %(at)s
FROM policy_change_units d
WHERE d.change_id = %(change_id)s AND c.unit_id = d.unit_id AND c.number = d.number AND c.answered_at IS NULL;

-- name: move
UPDATE policy_changes SET stage = coalesce(%(stage)s, stage), stage_at = coalesce(%(stage_at)s, stage_at),
    state = %(state)s, why = %(why)s, ended_at = CASE WHEN %(over)s THEN %(at)s::timestamptz END
WHERE change_id = %(change_id)s;

-- name: failed_units
SELECT unit_id, why FROM policy_change_units WHERE change_id = %(change_id)s AND state = 'failed'
ORDER BY unit_id LIMIT 1000;

-- name: preferred
-- How many units are told to prefer each slot.
SELECT preferred, count(*) AS units FROM policy_change_units
WHERE change_id = %(change_id)s AND preferred IS NOT NULL GROUP BY preferred ORDER BY preferred;
