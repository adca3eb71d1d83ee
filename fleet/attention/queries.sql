-- What needs attention. The looks run as livlina_supervise; `at` is their present. Only differences are written.

-- name: lead
SELECT pg_try_advisory_xact_lock(hashtext('livlina.attention')) AS mine;

-- name: looks
SELECT concern, looked_at FROM concern_looks;

-- name: looked
INSERT INTO concern_looks AS l (concern, looked_at, took_ms) VALUES (%(concern)s, %(at)s, %(took_ms)s)
ON CONFLICT (concern) DO UPDATE SET looked_at = excluded.looked_at, took_ms = excluded.took_ms;

-- name: begin
-- What a look finds lies here until it is compared.
CREATE TEMPORARY TABLE IF NOT EXISTS noticed_now (
    unit_id bigint PRIMARY KEY, municipality_id int NOT NULL, unit_type text NOT NULL, rank double precision NOT NULL,
    since timestamptz NOT NULL, detail jsonb NOT NULL) ON COMMIT DELETE ROWS;

-- name: empty
DELETE FROM noticed_now;

-- name: find_given
INSERT INTO noticed_now
SELECT u.unit_id, u.municipality_id, u.unit_type, t.rank, t.since, t.detail
FROM unnest(%(unit_id)s::bigint[], %(rank)s::float8[], %(since)s::timestamptz[], %(detail)s::jsonb[])
    AS t(unit_id, rank, since, detail) JOIN units u USING (unit_id);

-- name: find_silent
-- Longest first.
INSERT INTO noticed_now
SELECT v.unit_id, v.municipality_id, u.unit_type, extract(epoch FROM v.since), v.since,
       jsonb_build_object('state', v.state, 'cause', v.cause, 'incident', v.incident_id)
FROM unit_supervision v JOIN units u USING (unit_id)
WHERE v.state IN ('silent', 'off', 'no_power', 'no_network') AND u.state = 'active' AND u.life = 'active';

-- name: find_single_path
-- Heard or proven on fewer than two radio networks within 25 hours (as what-if counts); by care priority.
INSERT INTO noticed_now
SELECT u.unit_id, u.municipality_id, u.unit_type, coalesce(r.priority, 5), %(at)s,
       jsonb_build_object('network', w.network)
FROM units u
LEFT JOIN (
    SELECT p.unit_id, min(p.network) AS network, count(DISTINCT p.network) AS networks
    FROM (SELECT k.unit_id, CASE WHEN k.slot = 0 THEN 'fixed line'
                                 ELSE coalesce(n.network, o.network, 'operator ' || k.operator) END AS network
          FROM unit_paths k
          LEFT JOIN radio_networks n ON n.operator = k.operator AND n.radio = k.radio
          LEFT JOIN radio_networks o ON o.operator = k.operator AND o.radio = 0
          WHERE greatest(k.seen_at, k.proven_at) > %(at)s - %(fresh)s::interval) p
    GROUP BY p.unit_id) w ON w.unit_id = u.unit_id
LEFT JOIN (SELECT a.unit_id, c.priority FROM unit_recipients a JOIN care_recipients c USING (recipient_id)
           WHERE a.role = 'responsible') r ON r.unit_id = u.unit_id
WHERE u.state = 'active' AND u.life = 'active' AND coalesce(w.networks, 0) < 2;

-- name: find_unproven_path
-- Heard, and not proven on its other path within the time of its profile; who is overdue longest comes first.
INSERT INTO noticed_now
SELECT u.unit_id, u.municipality_id, u.unit_type, extract(epoch FROM l.due_at), l.due_at,
       jsonb_build_object('profile', k.profile, 'within_s', k.spare_s, 'ever', o.proven_at IS NOT NULL)
FROM units u
JOIN unnest(%(municipality_id)s::int[], %(unit_type)s::text[], %(profile)s::text[], %(spare_s)s::int[])
    AS k(municipality_id, unit_type, profile, spare_s) USING (municipality_id, unit_type)
JOIN unit_other_paths o USING (unit_id)
CROSS JOIN LATERAL (SELECT o.begins_at + k.spare_s * interval '1 second' AS due_at) l
LEFT JOIN unit_supervision v USING (unit_id)
WHERE u.state = 'active' AND u.life = 'active' AND l.due_at < %(at)s
  AND (v.state IS NULL OR v.state NOT IN ('silent', 'off', 'no_power', 'no_network'));

-- name: find_seldom_heard
-- Its heartbeats are further apart than its profile bears; the longest interval comes first.
INSERT INTO noticed_now
SELECT u.unit_id, u.municipality_id, u.unit_type, -s.interval_s, %(at)s,
       jsonb_build_object('profile', k.profile, 'every_s', s.interval_s, 'longest_s', k.longest_s)
FROM units u
JOIN unnest(%(municipality_id)s::int[], %(unit_type)s::text[], %(profile)s::text[], %(longest_s)s::int[])
    AS k(municipality_id, unit_type, profile, longest_s) USING (municipality_id, unit_type)
JOIN unit_states s USING (unit_id)
WHERE u.state = 'active' AND u.life = 'active' AND s.interval_s > k.longest_s;

-- name: find_unproven_button
-- A button without a test press that went the whole way within 400 days; a unit of which no button is known counts.
INSERT INTO noticed_now
SELECT u.unit_id, u.municipality_id, u.unit_type, coalesce(r.priority, 5), %(at)s,
       jsonb_build_object('inputs', coalesce(b.inputs, '[]'), 'any_proven', coalesce(b.any_proven, false))
FROM units u
LEFT JOIN (
    SELECT i.unit_id, jsonb_agg(i.input ORDER BY i.input) FILTER (WHERE NOT i.proven) AS inputs,
           bool_or(i.proven) AS any_proven, bool_and(i.proven) AS all_proven
    FROM (SELECT k.unit_id, k.input,
                 EXISTS (SELECT 1 FROM button_proofs p WHERE p.unit_id = k.unit_id AND p.input = k.input
                           AND p.at > %(at)s - %(lasts)s::interval) AS proven
          FROM unit_inputs k) i
    GROUP BY i.unit_id) b ON b.unit_id = u.unit_id
LEFT JOIN (SELECT a.unit_id, c.priority FROM unit_recipients a JOIN care_recipients c USING (recipient_id)
           WHERE a.role = 'responsible') r ON r.unit_id = u.unit_id
WHERE u.state = 'active' AND u.life = 'active' AND u.unit_type IN ('social', 'personal') AND NOT coalesce(b.all_proven, false);

-- name: find_unprotected
-- Somebody relies on the unit, and it would not bring help now: it is not heard, its last network has closed, its keys
-- are revoked, or no button of it was ever proven. Care priority first, then who has waited longest.
INSERT INTO noticed_now
SELECT u.unit_id, u.municipality_id, u.unit_type,
       c.priority * 1e10 + extract(epoch FROM coalesce(s.since, a.since)), coalesce(s.since, a.since),
       jsonb_build_object('priority', c.priority, 'why', array_remove(ARRAY[
           CASE WHEN s.unit_id IS NOT NULL THEN 'silent' END, CASE WHEN d.unit_id IS NOT NULL THEN 'network closed' END,
           CASE WHEN u.state <> 'active' THEN 'revoked' END, CASE WHEN b.unit_id IS NOT NULL THEN 'no proof' END], NULL))
FROM unit_recipients a
JOIN units u USING (unit_id)
JOIN care_recipients c USING (recipient_id)
LEFT JOIN unit_concerns s ON s.unit_id = u.unit_id AND s.concern = 'silent'
LEFT JOIN unit_concerns d ON d.unit_id = u.unit_id AND d.concern = 'doomed' AND (d.detail ->> 'cut_off')::boolean
LEFT JOIN unit_concerns b ON b.unit_id = u.unit_id AND b.concern = 'unproven_button'
                         AND NOT (b.detail ->> 'any_proven')::boolean
WHERE a.role = 'responsible' AND c.ended_at IS NULL AND u.life = 'active'
  AND (s.unit_id IS NOT NULL OR d.unit_id IS NOT NULL OR u.state <> 'active' OR b.unit_id IS NOT NULL);

-- name: take_away
DELETE FROM unit_concerns c WHERE c.concern = %(concern)s
  AND NOT EXISTS (SELECT 1 FROM noticed_now n WHERE n.unit_id = c.unit_id);

-- name: keep
-- `since` of what goes on stays, unless the look knows it better (`known`).
INSERT INTO unit_concerns AS c (unit_id, concern, municipality_id, unit_type, rank, since, detail)
SELECT n.unit_id, %(concern)s, n.municipality_id, n.unit_type, n.rank, n.since, n.detail
FROM noticed_now n LEFT JOIN unit_concerns k ON k.unit_id = n.unit_id AND k.concern = %(concern)s
WHERE k.unit_id IS NULL OR (k.rank, k.detail, k.municipality_id) IS DISTINCT FROM (n.rank, n.detail, n.municipality_id)
   OR (%(known)s AND k.since <> n.since)
ON CONFLICT (unit_id, concern) DO UPDATE SET
    municipality_id = excluded.municipality_id, unit_type = excluded.unit_type, rank = excluded.rank,
    detail = excluded.detail, since = CASE WHEN %(known)s THEN excluded.since ELSE c.since END;

-- name: count_away
DELETE FROM concern_counts k WHERE k.concern = %(concern)s AND NOT EXISTS (
    SELECT 1 FROM noticed_now n WHERE n.municipality_id = k.municipality_id AND n.unit_type = k.unit_type);

-- name: count
INSERT INTO concern_counts AS k (municipality_id, concern, unit_type, units)
SELECT n.municipality_id, %(concern)s, n.unit_type, count(*) FROM noticed_now n GROUP BY n.municipality_id, n.unit_type
ON CONFLICT (municipality_id, concern, unit_type) DO UPDATE SET units = excluded.units WHERE k.units <> excluded.units;

-- name: count_units_away
DELETE FROM concern_counts k WHERE k.concern = 'units' AND NOT EXISTS (
    SELECT 1 FROM units u WHERE u.municipality_id = k.municipality_id AND u.unit_type = k.unit_type
      AND u.state = 'active' AND u.life = 'active');

-- name: count_units
INSERT INTO concern_counts AS k (municipality_id, concern, unit_type, units)
SELECT municipality_id, 'units', unit_type, count(*) FROM units WHERE state = 'active' AND life = 'active'
GROUP BY municipality_id, unit_type
ON CONFLICT (municipality_id, concern, unit_type) DO UPDATE SET units = excluded.units WHERE k.units <> excluded.units;

-- name: sample_batteries
-- One reading in six hours at most of each unit that lives on its battery.
INSERT INTO battery_samples (unit_id, slot, municipality_id, at, mv, celsius, signal)
SELECT s.unit_id, floor(extract(epoch FROM s.status_at) / 21600), s.municipality_id, s.status_at, s.battery_mv,
       s.temperature / 10.0, s.signal
FROM unit_states s JOIN units u USING (unit_id)
WHERE u.unit_type = ANY (%(types)s::text[]) AND u.state = 'active' AND u.life IN ('active', 'absent')
  AND s.battery_mv IS NOT NULL AND s.status_at > %(at)s - interval '14 days' AND s.status_at <= %(at)s
ON CONFLICT DO NOTHING;

-- name: forget_samples
DELETE FROM battery_samples WHERE slot < floor(extract(epoch FROM %(at)s - interval '15 days') / 21600);

-- name: samples
SELECT b.unit_id, u.unit_type, s.battery AS percent, array_agg(b.at ORDER BY b.at) AS at,
       array_agg(b.mv ORDER BY b.at) AS mv, array_agg(b.celsius ORDER BY b.at) AS celsius,
       array_agg(b.signal ORDER BY b.at) AS signal
FROM battery_samples b JOIN units u USING (unit_id) LEFT JOIN unit_states s USING (unit_id)
WHERE u.state = 'active' AND u.life = 'active' AND b.at > %(at)s - interval '14 days'
  AND b.unit_id > %(after)s
GROUP BY b.unit_id, u.unit_type, s.battery ORDER BY b.unit_id LIMIT %(most)s;

-- name: keep_forecasts
INSERT INTO battery_forecasts AS f (unit_id, municipality_id, at, days, least, most, sigma, share, percent)
SELECT u.unit_id, u.municipality_id, %(at)s, t.days, t.least, t.most, t.sigma, t.share, t.percent
FROM unnest(%(unit_id)s::bigint[], %(days)s::float8[], %(least)s::float8[], %(most)s::float8[], %(sigma)s::float8[],
            %(share)s::float8[], %(percent)s::int[]) AS t(unit_id, days, least, most, sigma, share, percent)
JOIN units u USING (unit_id)
ON CONFLICT (unit_id) DO UPDATE SET municipality_id = excluded.municipality_id, at = excluded.at, days = excluded.days,
    least = excluded.least, most = excluded.most, sigma = excluded.sigma, share = excluded.share,
    percent = excluded.percent;

-- name: forget_forecasts
DELETE FROM battery_forecasts WHERE at < %(at)s;

-- name: cells
-- Of units in use. Who is not known to live alone counts as living with somebody.
SELECT f.unit_id, f.days, f.least, f.most, f.sigma, f.share, coalesce(f.percent, 100) AS percent, f.at, u.unit_type,
       m.name || coalesce(', ' || nullif(c.district, ''), '') AS district, coalesce(c.priority, 3) AS priority,
       coalesce(c.lives_alone, false) AS lives_alone
FROM battery_forecasts f JOIN units u USING (unit_id) JOIN municipalities m ON m.municipality_id = u.municipality_id
LEFT JOIN unit_recipients a ON a.unit_id = f.unit_id AND a.role = 'responsible'
LEFT JOIN care_recipients c ON c.recipient_id = a.recipient_id
WHERE u.state = 'active' AND u.life = 'active' AND (%(municipality)s::int IS NULL OR u.municipality_id = %(municipality)s);

-- name: open_closed_network_tasks
SELECT task_id, unit_id FROM technician_tasks WHERE kind = %(kind)s AND closed_at IS NULL;

-- name: end_tasks
UPDATE technician_tasks SET closed_at = greatest(%(at)s, opened_at), closed_by = %(actor)s
WHERE task_id = ANY (%(tasks)s::bigint[]) AND closed_at IS NULL;
