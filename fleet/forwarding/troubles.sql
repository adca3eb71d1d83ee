-- What a person has to put right with a centre. `at` is the worker's present.

-- name: note_trouble
INSERT INTO centre_troubles AS t (centre_id, municipality_id, kind, unit_id, code, began_at, last_at)
SELECT n.centre_id, coalesce(u.municipality_id, n.municipality_id), %(kind)s, u.unit_id, %(code)s, %(at)s, %(at)s
FROM centres n LEFT JOIN units u ON u.unit_id = %(unit_id)s::bigint
WHERE n.centre_id = %(centre_id)s
ON CONFLICT (centre_id, kind, coalesce(unit_id, -1)) WHERE ended_at IS NULL DO UPDATE SET
    times = t.times + 1, last_at = greatest(t.last_at, excluded.last_at), counts = true,
    code = CASE WHEN excluded.code = '' THEN t.code ELSE excluded.code END
RETURNING t.times;

-- name: refused_units
SELECT count(DISTINCT unit_id) AS units FROM centre_troubles
WHERE centre_id = %(centre_id)s AND ended_at IS NULL AND counts AND unit_id IS NOT NULL
  AND last_at > %(at)s::timestamptz - make_interval(secs => %(window_s)s);

-- name: end_troubles
-- The centre has taken presses of these units: what was wrong with it is over, and what was wrong with them; units that
-- it still refuses are about themselves.
UPDATE centre_troubles SET counts = false,
       ended_at = CASE WHEN unit_id IS NULL OR kind <> 'unit' OR unit_id = ANY (%(units)s::bigint[]) THEN %(at)s::timestamptz END
WHERE centre_id = %(centre_id)s AND ended_at IS NULL
  AND (counts OR unit_id IS NULL OR kind <> 'unit' OR unit_id = ANY (%(units)s::bigint[]))
RETURNING kind, unit_id, ended_at;

-- name: end_after_probe
-- A probe that was taken proves the password or the certificate that probes use, and nothing else.
UPDATE centre_troubles SET ended_at = %(at)s
WHERE centre_id = %(centre_id)s AND ended_at IS NULL AND unit_id IS NULL AND kind = ANY (%(kinds)s::text[])
RETURNING kind;

-- name: open_troubles
SELECT n.name AS centre, t.kind, t.unit_id, t.code, t.times, t.began_at, t.last_at
FROM centre_troubles t JOIN centres n USING (centre_id)
WHERE t.ended_at IS NULL ORDER BY n.name, t.kind, t.unit_id;
