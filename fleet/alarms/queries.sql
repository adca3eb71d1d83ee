-- The alarm path's statements. Every transaction that changes a case begins with lock_case_log: see README.md.

-- name: lock_case_log
SELECT pg_advisory_xact_lock(hashtext('livlina.case_log'));

-- name: store_presses
-- One statement a batch: finds what is new, opens or joins cases, keeps the raw frames, queues the centres' messages and
-- the timer, writes the log. A press that joins a taken case opens it again: a person must take it once more, so that
-- nobody presses into a case that was taken and forgotten. The case shows its gravest press: a duress (2) before
-- anything else; and it is accepted once a centre has every press of it. A test joins a live case without touching it,
-- and a live press makes a test's case its own. No clock decides here: what is due at once is due since ever, and which
-- route holds is asked for the moment of the press. Runs under the case log's lock, so "new" cannot change while it runs.
WITH arrived AS (
    SELECT DISTINCT ON (t.unit_id, t.boot, t.seq) t.*
    FROM unnest(
        %(unit_id)s::bigint[], %(boot)s::bigint[], %(seq)s::bigint[], %(municipality_id)s::int[], %(unit_type)s::text[],
        %(received_at)s::timestamptz[], %(pressed_at)s::timestamptz[], %(transport)s::text[], %(generation)s::int[],
        %(counter)s::bigint[], %(kind)s::int[], %(input)s::int[], %(count)s::int[], %(age_s)s::bigint[],
        %(attempt)s::int[], %(bearer)s::int[], %(battery)s::int[], %(flags)s::int[], %(clock)s::bigint[],
        %(marks)s::text[], %(priority)s::int[], %(raw)s::bytea[], %(test)s::boolean[]
    ) WITH ORDINALITY AS t(
        unit_id, boot, seq, municipality_id, unit_type, received_at, pressed_at, transport, generation, counter, kind,
        input, count, age_s, attempt, bearer, battery, flags, clock, marks, priority, raw, test, place)
    ORDER BY t.unit_id, t.boot, t.seq, t.place
),
fresh AS (
    SELECT a.*, CASE a.kind WHEN 2 THEN 0 WHEN 9 THEN 2 ELSE 1 END AS after,
           bool_and(a.test) OVER (PARTITION BY a.unit_id) AS only_tests
    FROM arrived a
    WHERE NOT EXISTS (
        SELECT 1 FROM presses p WHERE p.unit_id = a.unit_id AND p.boot = a.boot AND p.seq = a.seq)
),
before AS (
    SELECT c.case_id, c.unit_id, c.state, c.test, c.responsible_centre FROM cases c
    WHERE c.state <> 'closed' AND c.unit_id IN (SELECT f.unit_id FROM fresh f)
),
by_unit AS MATERIALIZED (
    SELECT f.unit_id, max(f.received_at) AS at, bool_and(f.test) AS tests, count(*) AS presses
    FROM fresh f GROUP BY f.unit_id
),
marked AS MATERIALIZED (
    SELECT f.unit_id, array_agg(DISTINCT m.mark) AS marks
    FROM fresh f CROSS JOIN LATERAL unnest(string_to_array(f.marks, ' ')) AS m(mark)
    WHERE f.test = f.only_tests AND f.marks <> '' AND m.mark <> '' GROUP BY f.unit_id
),
joined AS (
    INSERT INTO cases AS c (municipality_id, unit_id, unit_type, priority, kind, input, presses, marks, opened_at,
                            pressed_at, last_press_at, test)
    SELECT (array_agg(f.municipality_id ORDER BY f.place))[1], f.unit_id, (array_agg(f.unit_type ORDER BY f.place))[1],
           CASE WHEN count(*) >= 2 AND min(f.priority) < 4 THEN 1 ELSE min(f.priority) END,
           (array_agg(f.kind ORDER BY f.after, f.priority, f.place))[1],
           (array_agg(f.input ORDER BY f.after, f.priority, f.place))[1],
           count(*), coalesce(k.marks, '{}'),
           min(f.received_at), min(f.pressed_at), max(f.received_at), bool_and(f.only_tests)
    FROM fresh f LEFT JOIN marked k USING (unit_id)
    WHERE f.test = f.only_tests GROUP BY f.unit_id, k.marks
    ON CONFLICT (unit_id) WHERE state <> 'closed' DO UPDATE SET
        presses = CASE WHEN c.test = excluded.test THEN c.presses + excluded.presses
                       WHEN c.test THEN excluded.presses ELSE c.presses END,
        priority = CASE WHEN c.test <> excluded.test THEN CASE WHEN c.test THEN excluded.priority ELSE c.priority END
                        WHEN least(c.priority, excluded.priority) < 4 THEN 1 ELSE 4 END,
        kind = CASE WHEN c.test <> excluded.test THEN CASE WHEN c.test THEN excluded.kind ELSE c.kind END
                    WHEN excluded.kind = 2 OR c.kind = 9 THEN excluded.kind ELSE c.kind END,
        input = CASE WHEN c.test <> excluded.test THEN CASE WHEN c.test THEN excluded.input ELSE c.input END
                     WHEN c.kind <> 2 AND excluded.kind = 2 OR c.kind = 9 AND excluded.kind <> 9
                     THEN excluded.input ELSE c.input END,
        marks = CASE WHEN c.test = excluded.test
                     THEN ARRAY(SELECT DISTINCT m FROM unnest(c.marks || excluded.marks) m ORDER BY m)
                     WHEN c.test THEN excluded.marks ELSE c.marks END,
        opened_at = CASE WHEN c.test AND NOT excluded.test THEN excluded.opened_at ELSE c.opened_at END,
        pressed_at = CASE WHEN c.test AND NOT excluded.test THEN excluded.pressed_at ELSE c.pressed_at END,
        last_press_at = CASE WHEN excluded.test AND NOT c.test THEN c.last_press_at
                             ELSE greatest(c.last_press_at, excluded.last_press_at) END,
        test = c.test AND excluded.test,
        accepted_at = CASE WHEN excluded.test AND NOT c.test THEN c.accepted_at END,
        accepted_by = CASE WHEN excluded.test AND NOT c.test THEN c.accepted_by END,
        refused_by = CASE WHEN excluded.test AND NOT c.test THEN c.refused_by END,
        state = CASE WHEN excluded.test AND NOT c.test THEN c.state ELSE 'open' END,
        taken_before_by = CASE WHEN excluded.test AND NOT c.test THEN c.taken_before_by
                               ELSE coalesce(c.taken_by, c.taken_before_by) END,
        responsible = CASE WHEN c.state = 'taken' AND NOT excluded.test THEN c.accepted_by ELSE c.responsible END,
        escalated_place = CASE WHEN c.state = 'taken' AND NOT excluded.test THEN NULL ELSE c.escalated_place END,
        taken_at = CASE WHEN excluded.test AND NOT c.test THEN c.taken_at END,
        taken_by = CASE WHEN excluded.test AND NOT c.test THEN c.taken_by END
    RETURNING c.case_id, c.municipality_id, c.unit_id, c.test, c.last_press_at, (c.xmax = 0) AS opened
),
kept AS (
    INSERT INTO presses (unit_id, boot, seq, municipality_id, case_id, received_at, pressed_at, transport, generation,
                         counter, kind, input, count, age_s, attempt, bearer, battery, flags, clock, marks, raw)
    SELECT f.unit_id, f.boot, f.seq, j.municipality_id, j.case_id, f.received_at, f.pressed_at, f.transport,
           f.generation, f.counter, f.kind, f.input, f.count, f.age_s, f.attempt, f.bearer, f.battery, f.flags,
           f.clock, coalesce(string_to_array(nullif(f.marks, ''), ' '), '{}'), f.raw
    FROM fresh f JOIN joined j USING (unit_id)
    RETURNING unit_id, boot, seq, municipality_id, case_id, received_at
),
by_hour AS MATERIALIZED (
    -- Who receives a municipality's alarms at this hour (migration 0007); asked only where services were chosen.
    SELECT d.municipality_id, livlina_receiving_centre(d.municipality_id, d.at) AS centre_id
    FROM (SELECT municipality_id, max(received_at) AS at FROM kept GROUP BY municipality_id) d
    WHERE d.municipality_id IN (SELECT s.municipality_id FROM services s WHERE s.service = 'alarm_reception')
),
routed AS MATERIALIZED (
    -- Which centres a route names at the moment of a press. Materialized, and livlina_route written out: merged into what
    -- follows it stood there some thirty times, and each place where a function stands is planned anew every time.
    SELECT k.*, f.test,
           coalesce((SELECT t.centre_id FROM type_routes t
                     WHERE t.municipality_id = k.municipality_id AND t.unit_type = f.unit_type
                       AND t.rank = 1 AND t.valid_from <= k.received_at
                     ORDER BY t.valid_from DESC LIMIT 1),
                    (SELECT h.centre_id FROM by_hour h WHERE h.municipality_id = k.municipality_id),
                    (SELECT t.centre_id FROM type_routes t
                     WHERE t.municipality_id = k.municipality_id AND t.unit_type = 'any'
                       AND t.rank = 1 AND t.valid_from <= k.received_at
                     ORDER BY t.valid_from DESC LIMIT 1),
                    (SELECT r.centre_id FROM routes r
                     WHERE r.municipality_id = k.municipality_id AND r.rank = 1)) AS first,
           coalesce((SELECT t.centre_id FROM type_routes t
                     WHERE t.municipality_id = k.municipality_id AND t.unit_type IN (f.unit_type, 'any')
                       AND t.rank = 2 AND t.valid_from <= k.received_at
                     ORDER BY t.unit_type = 'any', t.valid_from DESC LIMIT 1),
                    (SELECT r.centre_id FROM routes r
                     WHERE r.municipality_id = k.municipality_id AND r.rank = 2)) AS second
    FROM kept k JOIN fresh f USING (unit_id, boot, seq)
),
placed AS MATERIALIZED (
    -- An open case stays with the centre that has it; else the route of the moment decides.
    SELECT r.*, coalesce(b.responsible_centre, r.first, r.second) AS preferred
    FROM routed r LEFT JOIN before b ON b.case_id = r.case_id
),
unfit AS (SELECT h.centre_id FROM centre_health h WHERE h.state NOT IN ('good', 'failing_back')),
owed AS (
    -- One centre, the fit one; both where neither is fit.
    INSERT INTO outbox (municipality_id, centre_id, case_id, unit_id, boot, seq, queued_at, next_try_at, test, reason)
    SELECT p.municipality_id, t.centre_id, p.case_id, p.unit_id, p.boot, p.seq, p.received_at, '-infinity', p.test,
           CASE WHEN t.centre_id = p.preferred THEN 'route' ELSE 'failover' END
    FROM (SELECT q.*, nullif(CASE WHEN q.first IS DISTINCT FROM q.preferred THEN q.first ELSE q.second END,
                             q.preferred) AS other FROM placed q) p
    CROSS JOIN LATERAL (SELECT p.preferred IN (SELECT centre_id FROM unfit) AS first_unfit,
                               p.other IS NULL OR p.other IN (SELECT centre_id FROM unfit) AS second_unfit) h
    CROSS JOIN LATERAL (VALUES (p.preferred, NOT h.first_unfit OR h.second_unfit),
                               (p.other, h.first_unfit)) AS t(centre_id, wanted)
    WHERE t.centre_id IS NOT NULL AND t.wanted
    ORDER BY p.received_at
    RETURNING outbox_id
),
timed AS (
    -- The timer of a case begins with its first press, and anew when a press opens a taken case again.
    INSERT INTO case_timers AS t (case_id, municipality_id, started_at, place, due_at, set_at)
    SELECT j.case_id, j.municipality_id, j.last_press_at, 1, j.last_press_at, j.last_press_at
    FROM joined j LEFT JOIN before b ON b.case_id = j.case_id
    WHERE NOT j.test AND (b.case_id IS NULL OR b.test OR
                          (b.state = 'taken' AND EXISTS (SELECT 1 FROM fresh f WHERE f.unit_id = j.unit_id AND NOT f.test)))
    ON CONFLICT (case_id) DO UPDATE SET
        started_at = excluded.started_at, place = 1, repeats = 0, due_at = excluded.due_at, set_at = excluded.set_at,
        ended_at = NULL
    RETURNING case_id
),
logged AS (
    INSERT INTO case_log (municipality_id, case_id, at, change, actor, detail)
    SELECT j.municipality_id, j.case_id, u.at,
           CASE WHEN j.opened OR b.test AND NOT j.test THEN 'opened' WHEN u.tests THEN 'tested' ELSE 'repeated' END,
           'unit ' || lpad(to_hex(j.unit_id), 8, '0'), jsonb_build_object('presses', u.presses)
    FROM joined j JOIN by_unit u USING (unit_id) LEFT JOIN before b ON b.case_id = j.case_id ORDER BY j.case_id
    RETURNING position
)
SELECT a.unit_id, a.boot, a.seq, (f.unit_id IS NULL) AS double,
       CASE WHEN f.unit_id IS NOT NULL THEN 1
            WHEN p.taken_at IS NOT NULL THEN 3
            WHEN p.accepted_at IS NOT NULL THEN 2
            ELSE 1 END AS stage,
       (SELECT count(*) FROM owed) AS owed, (SELECT count(*) FROM timed) AS timed,
       (SELECT count(*) FROM logged) AS logged
FROM arrived a
LEFT JOIN fresh f USING (unit_id, boot, seq)
LEFT JOIN presses p ON p.unit_id = a.unit_id AND p.boot = a.boot AND p.seq = a.seq;

-- name: announce_presses
SELECT pg_notify('livlina_case_log', ''), pg_notify('livlina_outbox', ''), pg_notify('livlina_timers', '');

-- name: announce_cases
SELECT pg_notify('livlina_case_log', '');

-- name: announce_stages
SELECT pg_notify('livlina_stages', %(units)s);

-- name: stages
-- The present stage of presses, asked by key. A key that is unknown has no row.
SELECT p.unit_id, p.boot, p.seq,
       CASE WHEN p.taken_at IS NOT NULL THEN 3 WHEN p.accepted_at IS NOT NULL THEN 2 ELSE 1 END AS stage
FROM unnest(%(unit_id)s::bigint[], %(boot)s::bigint[], %(seq)s::bigint[]) AS k(unit_id, boot, seq)
JOIN presses p USING (unit_id, boot, seq);

-- name: recent_stages
-- The presses of units whose case is not closed or has changed lately: what a push or a reconnect tells them again.
SELECT p.unit_id, p.boot, p.seq,
       CASE WHEN p.taken_at IS NOT NULL THEN 3 WHEN p.accepted_at IS NOT NULL THEN 2 ELSE 1 END AS stage
FROM presses p JOIN cases c USING (case_id)
WHERE p.unit_id = ANY (%(units)s::bigint[])
  AND (c.state <> 'closed' OR c.closed_at > coalesce(%(at)s::timestamptz, now()) - interval '10 minutes')
ORDER BY p.unit_id, p.received_at DESC;

-- name: take_case
UPDATE cases SET state = 'taken', taken_at = coalesce(%(at)s::timestamptz, now()), taken_by = %(actor)s,
                 responsible = %(actor)s
WHERE case_id = %(case_id)s AND state = 'open'
RETURNING case_id, municipality_id, unit_id;

-- name: take_presses
-- A press is taken when a person took the case after it came in; one that comes later waits for a person again.
UPDATE presses SET taken_at = coalesce(%(at)s::timestamptz, now()) WHERE case_id = %(case_id)s AND taken_at IS NULL;

-- name: close_case
UPDATE cases SET state = 'closed', closed_at = coalesce(%(at)s::timestamptz, now()), closed_by = %(actor)s, outcome = %(outcome)s
WHERE case_id = %(case_id)s AND state = 'taken'
RETURNING case_id, municipality_id, unit_id;

-- name: log_change
INSERT INTO case_log (municipality_id, case_id, at, change, actor, detail)
VALUES (%(municipality_id)s, %(case_id)s, coalesce(%(at)s::timestamptz, now()), %(change)s, %(actor)s, %(detail)s)
RETURNING position;

-- name: last_position
SELECT coalesce(max(position), 0) AS position FROM case_log;

-- name: cases_not_closed
-- Tests are answered by machine: no operator ever sees one here.
SELECT c.*, m.name AS municipality, coalesce((SELECT max(l.position) FROM case_log l WHERE l.case_id = c.case_id), 0) AS position
FROM cases c JOIN municipalities m USING (municipality_id)
WHERE c.state <> 'closed' AND NOT c.test ORDER BY c.priority, c.opened_at;

-- name: case_by_id
SELECT c.*, m.name AS municipality, coalesce((SELECT max(l.position) FROM case_log l WHERE l.case_id = c.case_id), 0) AS position
FROM cases c JOIN municipalities m USING (municipality_id) WHERE c.case_id = %(case_id)s;

-- name: changes_after
SELECT l.position, l.change, l.actor, l.at, c.*, m.name AS municipality
FROM case_log l JOIN cases c USING (case_id) JOIN municipalities m ON m.municipality_id = c.municipality_id
WHERE l.position > %(position)s AND NOT c.test ORDER BY l.position LIMIT %(most)s;

-- name: closed_cases
SELECT c.*, m.name AS municipality, 0 AS position
FROM cases c JOIN municipalities m USING (municipality_id)
WHERE c.state = 'closed' AND NOT c.test
  AND (%(before_at)s::timestamptz IS NULL OR (c.closed_at, c.case_id) < (%(before_at)s::timestamptz, %(before_id)s::bigint))
ORDER BY c.closed_at DESC, c.case_id DESC LIMIT %(most)s;

-- name: log_of_case
SELECT position, at, change, actor, detail FROM case_log WHERE case_id = %(case_id)s ORDER BY position;

-- name: presses_of_case
SELECT unit_id, boot, seq, received_at, pressed_at, transport, kind, input, count, age_s, attempt, bearer, battery,
       marks, accepted_at
FROM presses WHERE case_id = %(case_id)s ORDER BY received_at;

-- name: mark_stuck
-- A contact that stays closed: the open case that a press of this input belongs to is flagged, once.
UPDATE cases c SET marks = ARRAY(SELECT DISTINCT m FROM unnest(c.marks || ARRAY['stuck']) m ORDER BY m)
WHERE c.unit_id = %(unit_id)s AND c.state <> 'closed' AND NOT c.marks @> ARRAY['stuck']
  AND (%(input)s::bigint IS NULL
       OR EXISTS (SELECT 1 FROM presses p WHERE p.case_id = c.case_id AND coalesce(p.input, 0) = %(input)s::bigint))
RETURNING c.case_id, c.municipality_id, c.unit_id;

-- name: clear_stuck
UPDATE cases c SET marks = array_remove(c.marks, 'stuck')
WHERE c.unit_id = %(unit_id)s AND c.state <> 'closed' AND c.marks @> ARRAY['stuck']
  AND (%(input)s::bigint IS NULL
       OR EXISTS (SELECT 1 FROM presses p WHERE p.case_id = c.case_id AND coalesce(p.input, 0) = %(input)s::bigint))
RETURNING c.case_id, c.municipality_id, c.unit_id;

-- name: prove_press
UPDATE presses SET marks = array_remove(marks, 'freshness_unproven')
WHERE unit_id = %(unit_id)s AND boot = %(boot)s AND seq = %(seq)s AND marks @> ARRAY['freshness_unproven']
RETURNING case_id;

-- name: prove_case
-- The case loses the mark with its last press that bears it.
UPDATE cases c SET marks = array_remove(c.marks, 'freshness_unproven')
WHERE c.case_id = %(case_id)s AND c.marks @> ARRAY['freshness_unproven']
  AND NOT EXISTS (SELECT 1 FROM presses p WHERE p.case_id = c.case_id AND p.marks @> ARRAY['freshness_unproven'])
RETURNING c.case_id, c.municipality_id, c.unit_id;

-- name: deny_press
UPDATE presses SET marks = array_append(array_remove(marks, 'freshness_unproven'), 'replay')
WHERE unit_id = %(unit_id)s AND boot = %(boot)s AND seq = %(seq)s AND NOT marks @> ARRAY['replay']
RETURNING case_id;

-- name: close_replay
-- Only where every press of the case was denied: a genuine one beside a recording keeps its case open.
UPDATE cases c SET state = 'closed', closed_at = %(at)s, closed_by = 'machine', outcome = 'replay',
                   taken_at = coalesce(c.taken_at, %(at)s), taken_by = coalesce(c.taken_by, 'machine')
WHERE c.case_id = %(case_id)s AND c.state <> 'closed'
  AND NOT EXISTS (SELECT 1 FROM presses p WHERE p.case_id = c.case_id AND NOT p.marks @> ARRAY['replay'])
RETURNING c.case_id, c.municipality_id, c.unit_id;
