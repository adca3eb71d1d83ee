-- SIM cards, the paths of units, and who shares a radio network. `at` is the caller's present.

-- name: keep_paths
-- One row a way; a heartbeat on a way that was noted a short while ago writes nothing, unless cell or SIM are others.
INSERT INTO unit_paths AS p (unit_id, slot, operator, radio, municipality_id, iccid, cell, tac, first_seen_at, seen_at)
SELECT t.unit_id, t.slot, t.operator, t.radio, s.municipality_id,
       CASE t.slot WHEN 1 THEN s.iccid1 WHEN 2 THEN s.iccid2 END, t.cell, t.tac, t.at, t.at
FROM unnest(%(unit_id)s::bigint[], %(slot)s::int[], %(operator)s::int[], %(radio)s::int[], %(cell)s::bigint[],
            %(tac)s::int[], %(at)s::timestamptz[]) AS t(unit_id, slot, operator, radio, cell, tac, at)
JOIN unit_states s USING (unit_id)
LEFT JOIN unit_paths k ON k.unit_id = t.unit_id AND k.slot = t.slot AND k.operator = t.operator AND k.radio = t.radio
WHERE k.unit_id IS NULL
   OR t.at >= k.seen_at
      AND (k.seen_at <= t.at - %(apart)s::interval OR k.cell IS DISTINCT FROM coalesce(t.cell, k.cell)
           OR k.iccid IS DISTINCT FROM coalesce(CASE t.slot WHEN 1 THEN s.iccid1 WHEN 2 THEN s.iccid2 END, k.iccid))
ORDER BY t.unit_id, t.slot, t.operator, t.radio
ON CONFLICT (unit_id, slot, operator, radio) DO UPDATE SET
    seen_at = greatest(p.seen_at, excluded.seen_at), cell = coalesce(excluded.cell, p.cell),
    tac = coalesce(excluded.tac, p.tac), iccid = coalesce(excluded.iccid, p.iccid),
    first_seen_at = CASE WHEN p.iccid <> excluded.iccid THEN excluded.first_seen_at ELSE p.first_seen_at END,
    proven_at = CASE WHEN p.iccid <> excluded.iccid THEN NULL ELSE p.proven_at END,
    proof = CASE WHEN p.iccid <> excluded.iccid THEN NULL ELSE p.proof END;

-- name: touch_paths
-- A heartbeat that names no network is on the one that its SIM was last seen on: units tell of a change of networks.
UPDATE unit_paths p SET seen_at = t.at
FROM unnest(%(unit_id)s::bigint[], %(slot)s::int[], %(at)s::timestamptz[]) AS t(unit_id, slot, at),
     LATERAL (SELECT k.operator, k.radio, k.seen_at FROM unit_paths k WHERE k.unit_id = t.unit_id AND k.slot = t.slot
              ORDER BY k.seen_at DESC, k.operator, k.radio LIMIT 1) AS last
WHERE last.seen_at <= t.at - %(apart)s::interval AND p.unit_id = t.unit_id AND p.slot = t.slot
  AND p.operator = last.operator AND p.radio = last.radio;

-- name: prove_paths
-- What a unit tells of a SIM holds for the way that it was last seen on with that SIM, and only if that was lately.
-- Being proven is not being seen: a unit tells of its spare SIM when it is back on the other one.
UPDATE unit_paths p SET proven_at = t.at, proof = t.proof
FROM unnest(%(unit_id)s::bigint[], %(slot)s::int[], %(at)s::timestamptz[], %(proof)s::text[])
         AS t(unit_id, slot, at, proof),
     LATERAL (SELECT k.operator, k.radio FROM unit_paths k WHERE k.unit_id = t.unit_id AND k.slot = t.slot
                AND k.seen_at >= t.at - %(lately)s::interval
              ORDER BY k.seen_at DESC, k.operator, k.radio LIMIT 1) AS last
WHERE p.unit_id = t.unit_id AND p.slot = t.slot AND p.operator = last.operator AND p.radio = last.radio
  AND (p.proven_at IS NULL OR p.proven_at < t.at);

-- name: paths
-- Of units that somebody relies on. A SIM that is no longer in the slot, or is not active, carries nothing.
SELECT p.unit_id, p.slot, p.operator, p.radio, p.cell, p.tac, p.iccid, p.first_seen_at, p.seen_at, p.proven_at, p.proof,
       CASE WHEN p.slot = 0 THEN '' ELSE coalesce(n.network, o.network, 'operator ' || p.operator) END AS network,
       coalesce(nullif(c.issuer, ''), nullif(r.issuer, ''), '') AS issuer, c.operator AS home,
       coalesce(c.state, 'unknown') NOT IN ('suspended', 'ended')
           AND (p.slot = 0 OR p.iccid IS NOT DISTINCT FROM
                coalesce(CASE p.slot WHEN 1 THEN s.iccid1 ELSE s.iccid2 END, p.iccid)) AS usable
FROM unit_paths p
JOIN units u USING (unit_id)
LEFT JOIN unit_states s USING (unit_id)
LEFT JOIN unit_sims r ON r.unit_id = p.unit_id AND r.slot = p.slot
LEFT JOIN sims c ON c.iccid = coalesce(p.iccid, r.iccid)
LEFT JOIN radio_networks n ON n.operator = p.operator AND n.radio = p.radio
LEFT JOIN radio_networks o ON o.operator = p.operator AND o.radio = 0
WHERE u.state = 'active' AND (%(unit_id)s::bigint IS NULL AND u.life = ANY (%(lives)s::text[]) OR u.unit_id = %(unit_id)s)
  AND (%(municipality)s::int IS NULL OR u.municipality_id = %(municipality)s)
ORDER BY p.unit_id, p.slot, p.operator, p.radio;

-- name: relied_on
SELECT unit_id FROM units
WHERE state = 'active' AND life = ANY (%(lives)s::text[])
  AND (%(municipality)s::int IS NULL OR municipality_id = %(municipality)s)
ORDER BY unit_id;

-- name: networks
SELECT operator, radio, name, network, source FROM radio_networks ORDER BY operator, radio;

-- name: issuers
SELECT DISTINCT issuer FROM (SELECT issuer FROM sims UNION SELECT issuer FROM unit_sims) AS known
WHERE issuer <> '' ORDER BY issuer;

-- name: put_sim
INSERT INTO sims (iccid, municipality_id, imsi, msisdn, issuer, operator, plan, cost_ore, state, state_at, imei_lock,
                  provider_id, technologies, apn, made_at)
VALUES (%(iccid)s, %(municipality_id)s, %(imsi)s, %(msisdn)s, %(issuer)s, %(operator)s, %(plan)s, %(cost_ore)s,
        %(state)s, %(at)s, %(imei_lock)s, %(provider_id)s, %(technologies)s, %(apn)s, %(at)s)
ON CONFLICT (iccid) DO UPDATE SET
    imsi = coalesce(excluded.imsi, sims.imsi), msisdn = coalesce(excluded.msisdn, sims.msisdn),
    issuer = coalesce(nullif(excluded.issuer, ''), sims.issuer), operator = coalesce(excluded.operator, sims.operator),
    plan = coalesce(nullif(excluded.plan, ''), sims.plan), cost_ore = coalesce(excluded.cost_ore, sims.cost_ore),
    state = CASE WHEN excluded.state = 'unknown' THEN sims.state ELSE excluded.state END,
    state_at = CASE WHEN excluded.state = 'unknown' THEN sims.state_at ELSE excluded.state_at END,
    imei_lock = coalesce(excluded.imei_lock, sims.imei_lock),
    provider_id = coalesce(excluded.provider_id, sims.provider_id),
    technologies = coalesce(excluded.technologies, sims.technologies), apn = coalesce(excluded.apn, sims.apn)
WHERE sims.municipality_id = excluded.municipality_id
RETURNING iccid;

-- name: sims
SELECT c.*, v.name AS provider, r.unit_id AS registered_unit, r.slot AS registered_slot,
       left(c.imei_lock, 14) <> left(s.imei, 14) AS locked_out, s.unit_id AS seen_unit, CASE WHEN s.iccid1 = c.iccid THEN 1 WHEN s.iccid2 = c.iccid THEN 2 END AS seen_slot
FROM sims c
LEFT JOIN sim_providers v USING (provider_id)
LEFT JOIN unit_sims r ON r.iccid = c.iccid
LEFT JOIN unit_states s ON c.iccid IN (s.iccid1, s.iccid2)
WHERE (%(iccid)s::text IS NULL OR c.iccid = %(iccid)s) AND (%(issuer)s::text IS NULL OR c.issuer = %(issuer)s)
  AND (%(municipality)s::int IS NULL OR c.municipality_id = %(municipality)s)
ORDER BY c.iccid LIMIT %(most)s;
