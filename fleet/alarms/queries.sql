-- The alarm path's statements. Every transaction that changes a case begins with lock_case_log: see README.md.

-- name: lock_case_log
SELECT pg_advisory_xact_lock(hashtext('livlina.case_log'));

-- name: store_presses
-- One statement a batch: finds what is new, opens or joins cases, keeps the raw frames, queues the centres' messages,
-- writes the log. A press that joins a taken case opens it again: a person must take it once more, so that nobody
-- presses into a case that was taken and forgotten. The case shows its gravest press: a duress (2) before anything else,
-- a test (9) only while there is nothing but tests; and it is accepted once a centre has every press of it. Runs under the case log's lock, so "new" cannot change while it runs.
WITH arrived AS (
    SELECT DISTINCT ON (t.unit_id, t.boot, t.seq) t.*
    FROM unnest(
        %(unit_id)s::bigint[], %(boot)s::bigint[], %(seq)s::bigint[], %(municipality_id)s::int[], %(unit_type)s::text[],
        %(received_at)s::timestamptz[], %(pressed_at)s::timestamptz[], %(transport)s::text[], %(generation)s::int[],
        %(counter)s::bigint[], %(kind)s::int[], %(input)s::int[], %(count)s::int[], %(age_s)s::bigint[],
        %(attempt)s::int[], %(bearer)s::int[], %(battery)s::int[], %(flags)s::int[], %(clock)s::bigint[],
        %(marks)s::text[], %(priority)s::int[], %(raw)s::bytea[]
    ) WITH ORDINALITY AS t(
        unit_id, boot, seq, municipality_id, unit_type, received_at, pressed_at, transport, generation, counter, kind,
        input, count, age_s, attempt, bearer, battery, flags, clock, marks, priority, raw, place)
    ORDER BY t.unit_id, t.boot, t.seq, t.place
),
fresh AS (
    SELECT a.*, CASE a.kind WHEN 2 THEN 0 WHEN 9 THEN 2 ELSE 1 END AS after FROM arrived a
    WHERE NOT EXISTS (
        SELECT 1 FROM presses p WHERE p.unit_id = a.unit_id AND p.boot = a.boot AND p.seq = a.seq)
),
joined AS (
    INSERT INTO cases AS c (municipality_id, unit_id, unit_type, priority, kind, input, presses, marks, opened_at,
                            pressed_at, last_press_at)
    SELECT (array_agg(f.municipality_id ORDER BY f.place))[1], f.unit_id, (array_agg(f.unit_type ORDER BY f.place))[1],
           CASE WHEN count(*) >= 2 AND min(f.priority) < 4 THEN 1 ELSE min(f.priority) END,
           (array_agg(f.kind ORDER BY f.after, f.priority, f.place))[1],
           (array_agg(f.input ORDER BY f.after, f.priority, f.place))[1],
           count(*), coalesce((SELECT array_agg(DISTINCT m) FROM fresh g, unnest(string_to_array(g.marks, ' ')) m
                               WHERE g.unit_id = f.unit_id AND m <> ''), '{}'),
           min(f.received_at), min(f.pressed_at), max(f.received_at)
    FROM fresh f GROUP BY f.unit_id
    ON CONFLICT (unit_id) WHERE state <> 'closed' DO UPDATE SET
        presses = c.presses + excluded.presses,
        priority = CASE WHEN least(c.priority, excluded.priority) < 4 THEN 1 ELSE 4 END,
        kind = CASE WHEN excluded.kind = 2 OR c.kind = 9 THEN excluded.kind ELSE c.kind END,
        input = CASE WHEN c.kind <> 2 AND excluded.kind = 2 OR c.kind = 9 AND excluded.kind <> 9
                     THEN excluded.input ELSE c.input END,
        marks = ARRAY(SELECT DISTINCT m FROM unnest(c.marks || excluded.marks) m ORDER BY m),
        last_press_at = greatest(c.last_press_at, excluded.last_press_at),
        accepted_at = NULL, accepted_by = NULL, refused_by = NULL,
        state = 'open', taken_before_by = coalesce(c.taken_by, c.taken_before_by), taken_at = NULL, taken_by = NULL
    RETURNING c.case_id, c.municipality_id, c.unit_id, (c.xmax = 0) AS opened
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
owed AS (
    INSERT INTO outbox (municipality_id, centre_id, case_id, unit_id, boot, seq, queued_at, next_try_at)
    -- Due now by this clock, which forwarding asks: received_at is the front door's, and that may run ahead.
    SELECT k.municipality_id, r.centre_id, k.case_id, k.unit_id, k.boot, k.seq, k.received_at, now()
    FROM kept k JOIN routes r ON r.municipality_id = k.municipality_id AND r.rank = 1
    ORDER BY k.received_at
    RETURNING outbox_id
),
logged AS (
    INSERT INTO case_log (municipality_id, case_id, at, change, actor, detail)
    SELECT j.municipality_id, j.case_id, now(), CASE WHEN j.opened THEN 'opened' ELSE 'repeated' END,
           'unit ' || lpad(to_hex(j.unit_id), 8, '0'),
           jsonb_build_object('presses', (SELECT count(*) FROM kept k WHERE k.case_id = j.case_id))
    FROM joined j ORDER BY j.case_id
    RETURNING position
)
SELECT a.unit_id, a.boot, a.seq, (f.unit_id IS NULL) AS double,
       CASE WHEN f.unit_id IS NOT NULL THEN 1
            WHEN p.taken_at IS NOT NULL THEN 3
            WHEN p.accepted_at IS NOT NULL THEN 2
            ELSE 1 END AS stage,
       (SELECT count(*) FROM owed) AS owed, (SELECT count(*) FROM logged) AS logged
FROM arrived a
LEFT JOIN fresh f USING (unit_id, boot, seq)
LEFT JOIN presses p ON p.unit_id = a.unit_id AND p.boot = a.boot AND p.seq = a.seq;

-- name: announce_presses
SELECT pg_notify('livlina_case_log', ''), pg_notify('livlina_outbox', '');

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
  AND (c.state <> 'closed' OR c.closed_at > now() - interval '10 minutes')
ORDER BY p.unit_id, p.received_at DESC;

-- name: take_case
UPDATE cases SET state = 'taken', taken_at = now(), taken_by = %(actor)s
WHERE case_id = %(case_id)s AND state = 'open'
RETURNING case_id, municipality_id, unit_id;

-- name: take_presses
-- A press is taken when a person took the case after it came in; one that comes later waits for a person again.
UPDATE presses SET taken_at = now() WHERE case_id = %(case_id)s AND taken_at IS NULL;

-- name: close_case
UPDATE cases SET state = 'closed', closed_at = now(), closed_by = %(actor)s, outcome = %(outcome)s
WHERE case_id = %(case_id)s AND state = 'taken'
RETURNING case_id, municipality_id, unit_id;

-- name: log_change
INSERT INTO case_log (municipality_id, case_id, at, change, actor, detail)
VALUES (%(municipality_id)s, %(case_id)s, now(), %(change)s, %(actor)s, %(detail)s)
RETURNING position;

-- name: last_position
SELECT coalesce(max(position), 0) AS position FROM case_log;

-- name: cases_not_closed
SELECT c.*, m.name AS municipality, coalesce((SELECT max(l.position) FROM case_log l WHERE l.case_id = c.case_id), 0) AS position
FROM cases c JOIN municipalities m USING (municipality_id)
WHERE c.state <> 'closed' ORDER BY c.priority, c.opened_at;

-- name: case_by_id
SELECT c.*, m.name AS municipality, coalesce((SELECT max(l.position) FROM case_log l WHERE l.case_id = c.case_id), 0) AS position
FROM cases c JOIN municipalities m USING (municipality_id) WHERE c.case_id = %(case_id)s;

-- name: changes_after
SELECT l.position, l.change, l.actor, l.at, c.*, m.name AS municipality
FROM case_log l JOIN cases c USING (case_id) JOIN municipalities m ON m.municipality_id = c.municipality_id
WHERE l.position > %(position)s ORDER BY l.position LIMIT %(most)s;

-- name: closed_cases
SELECT c.*, m.name AS municipality, 0 AS position
FROM cases c JOIN municipalities m USING (municipality_id)
WHERE c.state = 'closed'
  AND (%(before_at)s::timestamptz IS NULL OR (c.closed_at, c.case_id) < (%(before_at)s::timestamptz, %(before_id)s::bigint))
ORDER BY c.closed_at DESC, c.case_id DESC LIMIT %(most)s;

-- name: log_of_case
SELECT position, at, change, actor, detail FROM case_log WHERE case_id = %(case_id)s ORDER BY position;

-- name: presses_of_case
SELECT unit_id, boot, seq, received_at, pressed_at, transport, kind, input, count, age_s, attempt, bearer, battery,
       marks, accepted_at
FROM presses WHERE case_id = %(case_id)s ORDER BY received_at;
