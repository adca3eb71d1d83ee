-- Orders to units.

-- name: lock_numbers
-- Whoever numbers a unit's commands does it alone, so that numbers only grow.
SELECT pg_advisory_xact_lock(hashtextextended('livlina.unit_commands', %(unit_id)s));

-- name: queue
INSERT INTO unit_commands (unit_id, number, municipality_id, kind, args, actor, queued_at, expires_at, about_boot,
                           about_seq)
SELECT u.unit_id,
       greatest(%(milliseconds)s::bigint, 1 + coalesce((SELECT max(c.number) FROM unit_commands c
                                                        WHERE c.unit_id = u.unit_id), 0)),
       u.municipality_id, %(kind)s, %(args)s, %(actor)s, %(at)s, %(expires_at)s, %(boot)s, %(seq)s
FROM units u WHERE u.unit_id = %(unit_id)s
ON CONFLICT DO NOTHING
RETURNING number;

-- name: unit
SELECT unit_id FROM units WHERE unit_id = %(unit_id)s;

-- name: announce
SELECT pg_notify('livlina_commands', %(unit)s);

-- name: unchallenged
SELECT p.unit_id, p.boot, p.seq FROM presses p JOIN cases k USING (case_id)
WHERE p.marks @> '{freshness_unproven}' AND k.state <> 'closed'
  AND (%(units)s::bigint[] IS NULL OR p.unit_id = ANY (%(units)s::bigint[]))
  AND NOT EXISTS (SELECT 1 FROM unit_commands c WHERE c.kind = 1 AND c.unit_id = p.unit_id
                  AND c.about_boot = p.boot AND c.about_seq = p.seq)
ORDER BY p.unit_id, p.received_at, p.boot, p.seq LIMIT 1000;

-- name: take_waiting
-- One that was sent in vain so often lets the others go first: what a unit cannot answer must not keep a challenge from
-- it. One with a lower number than the unit has answered since would be refused: it is not sent any more.
WITH next AS (
    SELECT DISTINCT ON (c.unit_id) c.unit_id, c.number, c.kind, c.sent_at, t.fresh
    FROM unnest(%(unit_id)s::bigint[], %(fresh)s::boolean[]) AS t(unit_id, fresh)
    JOIN unit_commands c USING (unit_id)
    WHERE c.answered_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > %(at)s)
      AND NOT EXISTS (SELECT 1 FROM unit_commands a
                      WHERE a.unit_id = c.unit_id AND a.number > c.number AND a.answered_at IS NOT NULL)
    ORDER BY c.unit_id, c.sends >= %(vain)s, c.number
)
UPDATE unit_commands c SET sends = c.sends + 1, sent_at = %(at)s
FROM next n
WHERE c.unit_id = n.unit_id AND c.number = n.number
  AND (n.fresh OR n.kind = 1 AND (n.sent_at IS NULL OR n.sent_at <= %(apart)s))
RETURNING c.unit_id, c.number, c.kind, c.args;

-- name: lock_command
SELECT kind, args, about_boot, about_seq FROM unit_commands
WHERE unit_id = %(unit_id)s AND number = %(number)s AND answered_at IS NULL
FOR NO KEY UPDATE;

-- name: settle
UPDATE unit_commands SET answered_at = %(at)s, result = %(result)s, answer = %(answer)s
WHERE unit_id = %(unit_id)s AND number = %(number)s AND answered_at IS NULL;

-- name: believe_again
UPDATE unit_keys SET restored_at = NULL, window_from = counter_high + 1
WHERE unit_id = %(unit_id)s AND restored_at IS NOT NULL;

-- name: was_taken
SELECT taken_at IS NOT NULL AS taken FROM presses
WHERE unit_id = %(unit_id)s AND boot = %(boot)s AND seq = %(seq)s;

-- name: in_doubt
-- shared: the unit's modem or SIM has changed and nobody has looked at it. behind: in the last day frames came under its
-- key whose counter was used up, as they do from the slower one of two that share it.
SELECT EXISTS (SELECT 1 FROM unit_keys k WHERE k.unit_id = %(unit_id)s AND k.shared_since IS NOT NULL) AS shared,
       EXISTS (SELECT 1 FROM security_notices n WHERE n.unit_id = %(unit_id)s AND n.stale > 0
               AND n.last_at > %(at)s::timestamptz - interval '1 day') AS behind;

-- name: commands_of
SELECT * FROM unit_commands WHERE unit_id = %(unit_id)s ORDER BY number DESC LIMIT %(most)s;
