-- What is asked of SIM providers. `at` is the worker's present.

-- name: ask
INSERT INTO sim_actions (municipality_id, action_key, iccid, action, amount, actor, next_try_at, queued_at)
SELECT municipality_id, %(action_key)s, iccid, %(action)s, %(amount)s, %(actor)s, %(at)s, %(at)s
FROM sims WHERE iccid = %(iccid)s AND provider_id IS NOT NULL
ON CONFLICT (municipality_id, action_key) DO NOTHING
RETURNING action_id, municipality_id;

-- name: asked_before
SELECT a.action_id, a.action, a.iccid, a.amount FROM sim_actions a JOIN sims c USING (iccid)
WHERE a.action_key = %(action_key)s AND a.municipality_id = (SELECT municipality_id FROM sims WHERE iccid = %(iccid)s);

-- name: claim
-- One that was being sent when its worker ended comes back as it is: `sending`.
UPDATE sim_actions a SET claimed_until = %(at)s + %(lease)s::interval
FROM (SELECT action_id, state FROM sim_actions
      WHERE settled_at IS NULL AND next_try_at <= %(at)s AND (claimed_until IS NULL OR claimed_until <= %(at)s)
      ORDER BY next_try_at, action_id LIMIT 1 FOR UPDATE SKIP LOCKED) AS n,
     sims c
WHERE a.action_id = n.action_id AND c.iccid = a.iccid
RETURNING a.action_id, a.municipality_id, a.iccid, a.action, a.amount, a.actor, a.state, a.attempts, a.queued_at,
          c.provider_id;

-- name: sending
UPDATE sim_actions SET state = 'sending', attempts = attempts + 1 WHERE action_id = %(action_id)s;

-- name: move
UPDATE sim_actions SET state = %(state)s, why = %(why)s, next_try_at = coalesce(%(next_try_at)s, next_try_at),
    settled_at = CASE WHEN %(over)s THEN %(at)s::timestamptz END, claimed_until = NULL
WHERE action_id = %(action_id)s;

-- name: seen
UPDATE sims SET state = %(state)s, state_at = %(at)s, imsi = coalesce(%(imsi)s, imsi),
    msisdn = coalesce(%(msisdn)s, msisdn), imei_lock = coalesce(%(imei_lock)s, imei_lock), provider_ref = %(ref)s
WHERE iccid = %(iccid)s AND %(state)s <> 'unknown';

-- name: actions
SELECT * FROM sim_actions WHERE %(iccid)s::text IS NULL OR iccid = %(iccid)s
ORDER BY action_id DESC LIMIT %(most)s;

-- name: add_provider
INSERT INTO sim_providers (municipality_id, name, kind, url, options, made_at)
VALUES (%(municipality_id)s, %(name)s, %(kind)s, %(url)s, %(options)s, %(at)s) RETURNING provider_id;

-- name: seal
INSERT INTO sim_provider_secrets (provider_id, municipality_id, sealed, made_at)
VALUES (%(provider_id)s, %(municipality_id)s, %(sealed)s, %(at)s)
ON CONFLICT (provider_id) DO UPDATE SET sealed = %(sealed)s, made_at = %(at)s;

-- name: providers
SELECT v.provider_id, v.municipality_id, v.name, v.kind, v.url, v.options, s.made_at AS secret_at
FROM sim_providers v LEFT JOIN sim_provider_secrets s USING (provider_id)
WHERE v.removed_at IS NULL ORDER BY v.provider_id;

-- name: account
SELECT v.kind, v.url, v.options, s.sealed FROM sim_providers v LEFT JOIN sim_provider_secrets s USING (provider_id)
WHERE v.provider_id = %(provider_id)s AND v.removed_at IS NULL;

-- name: relying_on
-- Units that somebody relies on and that have this SIM, by their own word or by the registry.
SELECT u.unit_id FROM units u
WHERE u.state = 'active' AND u.life IN ('active', 'absent')
  AND (EXISTS (SELECT 1 FROM unit_states s WHERE s.unit_id = u.unit_id AND %(iccid)s::text IN (s.iccid1, s.iccid2))
       OR EXISTS (SELECT 1 FROM unit_sims r WHERE r.unit_id = u.unit_id AND r.iccid = %(iccid)s::text))
LIMIT 1;

-- name: account_of
SELECT provider_id FROM sims WHERE iccid = %(iccid)s;
