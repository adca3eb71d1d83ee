-- The month of one municipality. %(since)s and %(until)s are its first moment and the first of the next, by its own clocks.

-- name: municipality
SELECT municipality_id, name, zone FROM municipalities WHERE municipality_id = %(municipality)s;

-- name: alarms
-- Cases of people in need; tests are counted apart.
SELECT c.unit_type, count(*) AS cases, sum(c.presses)::bigint AS presses,
       count(*) FILTER (WHERE c.state = 'closed') AS closed,
       count(*) FILTER (WHERE c.taken_at IS NULL) AS untaken,
       count(*) FILTER (WHERE c.priority = 1) AS acute
FROM cases c
WHERE c.municipality_id = %(municipality)s AND c.opened_at >= %(since)s AND c.opened_at < %(until)s AND NOT c.test
GROUP BY c.unit_type ORDER BY c.unit_type;

-- name: outcomes
SELECT coalesce(c.outcome, 'open') AS outcome, count(*) AS cases FROM cases c
WHERE c.municipality_id = %(municipality)s AND c.opened_at >= %(since)s AND c.opened_at < %(until)s AND NOT c.test
GROUP BY 1 ORDER BY 2 DESC, 1;

-- name: responses
-- Each live press twice: how long until a centre had it, counted from our receiving it, and how long until a person took
-- it, counted from the finger on the button.
WITH live AS (
    SELECT extract(epoch FROM p.accepted_at - p.received_at)::float8 AS centre,
           extract(epoch FROM p.taken_at - coalesce(p.pressed_at, p.received_at))::float8 AS person
    FROM presses p JOIN cases c USING (case_id)
    WHERE c.municipality_id = %(municipality)s AND c.opened_at >= %(since)s AND c.opened_at < %(until)s
      AND NOT c.test AND p.kind <> 9
), both_ways AS (
    SELECT 'centre' AS way, centre AS seconds FROM live UNION ALL SELECT 'person', person FROM live
)
SELECT way, count(*) AS presses, count(seconds) AS answered,
       count(*) FILTER (WHERE seconds <= %(first_s)s) AS within_first,
       count(*) FILTER (WHERE seconds <= %(second_s)s) AS within_second,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS median_s,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY seconds) AS p95_s, max(seconds) AS longest_s
FROM both_ways GROUP BY way ORDER BY way;

-- name: late
-- Presses that came to us long after the finger: stored in the unit while it had no way.
SELECT count(*) AS presses, max(extract(epoch FROM p.received_at - p.pressed_at))::float8 AS longest_s
FROM presses p JOIN cases c USING (case_id)
WHERE c.municipality_id = %(municipality)s AND c.opened_at >= %(since)s AND c.opened_at < %(until)s AND NOT c.test
  AND p.kind <> 9 AND (p.late OR p.received_at - p.pressed_at > make_interval(secs => %(first_s)s));

-- name: tests
SELECT b.unit_id, b.input, count(*) AS tests, max(b.at) AS newest FROM button_proofs b
WHERE b.municipality_id = %(municipality)s AND b.at >= %(since)s AND b.at < %(until)s
GROUP BY b.unit_id, b.input ORDER BY b.unit_id, b.input;

-- name: units
SELECT count(*) AS units FROM units u
WHERE u.municipality_id = %(municipality)s AND u.state = 'active' AND u.life IN ('active', 'absent');

-- name: availability
-- A unit is away from the moment when its next heartbeat was due until the next one came. What comes before the first and
-- after the last heartbeat of the month is not judged.
WITH beats AS (
    SELECT r.unit_id, r.received_at,
           lag(r.received_at + make_interval(secs => r.next_due_s)) OVER w AS due,
           lag(r.received_at) OVER w AS before
    FROM readings r
    WHERE r.municipality_id = %(municipality)s AND r.day >= %(first_day)s AND r.day <= %(last_day)s
      AND r.received_at >= %(since)s AND r.received_at < %(until)s
    WINDOW w AS (PARTITION BY r.unit_id ORDER BY r.received_at)
), units_of AS (
    SELECT unit_id, extract(epoch FROM max(received_at) - min(received_at))::float8 AS judged,
           coalesce(sum(greatest(extract(epoch FROM received_at - due)::float8 - %(grace_s)s, 0)), 0) AS away
    FROM beats GROUP BY unit_id
)
SELECT count(*) AS units, coalesce(sum(judged), 0)::float8 AS judged_s, coalesce(sum(away), 0)::float8 AS away_s,
       count(*) FILTER (WHERE away > 0) AS units_away, coalesce(max(away), 0)::float8 AS longest_s
FROM units_of;
