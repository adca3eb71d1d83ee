-- Plans for the sunset, as pages and the API make and show them. Runs as livlina_web.

-- name: running
SELECT count(*) AS plans FROM sunset_plans
WHERE made_by = %(made_by)s AND state = 'running' AND made_at > %(since)s;

-- name: add
INSERT INTO sunset_plans (municipalities, made_by, made_at, based_on, asked)
VALUES (%(municipalities)s::int[], %(made_by)s, %(at)s, %(based_on)s, %(asked)s) RETURNING plan_id;

-- name: drop_old
DELETE FROM sunset_plans WHERE made_by = %(made_by)s AND plan_id NOT IN (
    SELECT plan_id FROM sunset_plans WHERE made_by = %(made_by)s ORDER BY plan_id DESC LIMIT %(most)s);

-- name: plan
SELECT plan_id, municipalities, made_by, made_at, based_on, asked, state, seconds, document FROM sunset_plans
WHERE plan_id = %(plan_id)s;

-- name: plans
SELECT plan_id, municipalities, made_by, made_at, based_on, asked, state, seconds,
       document -> 'doomed' AS doomed, document -> 'visits' AS visits, document -> 'shortage' AS shortage
FROM sunset_plans WHERE %(before)s::bigint IS NULL OR plan_id < %(before)s::bigint
ORDER BY plan_id DESC LIMIT %(most)s;

-- name: done
UPDATE sunset_plans SET state = 'done', document = %(document)s, seconds = %(seconds)s WHERE plan_id = %(plan_id)s;

-- name: failed
UPDATE sunset_plans SET state = 'failed' WHERE plan_id = %(plan_id)s AND state = 'running';

-- name: add_visits
INSERT INTO sunset_plan_visits (plan_id, place, municipality_id, unit_id, unit_type, what, day, on_date, installer, wave,
                                district, deadline, late, person)
SELECT %(plan_id)s, t.* FROM unnest(
    %(place)s::int[], %(municipality)s::int[], %(unit)s::bigint[], %(unit_type)s::text[], %(what)s::text[],
    %(day)s::int[], %(on)s::date[], %(installer)s::int[], %(wave)s::int[], %(district)s::text[], %(deadline)s::date[],
    %(late)s::boolean[], %(person)s::boolean[]) AS t;

-- name: days
-- Working days of a plan with their visits, for choosing one.
SELECT day, on_date, count(*) AS visits, max(installer) AS installers FROM sunset_plan_visits
WHERE plan_id = %(plan_id)s GROUP BY day, on_date ORDER BY day;

-- name: visits
-- Of one day, or one installer, or all; with whose each unit is and how far its swap has come.
SELECT v.*, m.name AS municipality, c.reference,
       (SELECT p.proof IS NOT NULL FROM pairings p WHERE p.old_unit_id = v.unit_id AND p.state <> 'abandoned'
        ORDER BY p.pairing_id DESC LIMIT 1) AS swapped, u.life
FROM sunset_plan_visits v
JOIN municipalities m USING (municipality_id)
JOIN units u USING (unit_id)
LEFT JOIN unit_recipients a ON a.unit_id = v.unit_id AND a.role = 'responsible'
LEFT JOIN care_recipients c ON c.recipient_id = a.recipient_id
WHERE v.plan_id = %(plan_id)s AND (%(day)s::int IS NULL OR v.day = %(day)s::int)
  AND (%(installer)s::int IS NULL OR v.installer = %(installer)s::int)
  AND (%(after)s::int IS NULL OR v.place > %(after)s::int)
ORDER BY v.place LIMIT %(most)s;
