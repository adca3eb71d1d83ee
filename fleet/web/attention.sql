-- What needs attention, as the fleet's pages and the API show it. Runs as livlina_web: a municipality's rows are its own.

-- name: counts
-- All of a page's counts at once: a few rows a municipality, kept by batch.
SELECT k.municipality_id, m.name, k.concern, sum(k.units)::int AS units
FROM concern_counts k JOIN municipalities m USING (municipality_id)
WHERE %(unit_type)s::text IS NULL OR k.unit_type = %(unit_type)s::text
GROUP BY k.municipality_id, m.name, k.concern ORDER BY m.name, k.municipality_id;

-- name: looks
SELECT concern, looked_at FROM concern_looks;

-- name: units
-- The page is cut first, by an index; then each of its rows is looked up.
SELECT p.*, m.name AS municipality, s.seen_at, s.battery
FROM (
    SELECT c.unit_id, c.municipality_id, c.unit_type, c.rank, c.since, c.detail FROM unit_concerns c
    WHERE c.concern = %(concern)s
      AND (%(municipality)s::int IS NULL OR c.municipality_id = %(municipality)s::int)
      AND (%(unit_type)s::text IS NULL OR c.unit_type = %(unit_type)s::text)
      AND (%(after_rank)s::float8 IS NULL OR (c.rank, c.unit_id) > (%(after_rank)s::float8, %(after_unit)s::bigint))
    ORDER BY c.rank, c.unit_id LIMIT %(most)s
) p JOIN municipalities m USING (municipality_id) LEFT JOIN unit_states s USING (unit_id)
ORDER BY p.rank, p.unit_id;

-- name: references
-- Whom units in use are for, as a list of visits names them.
SELECT a.unit_id, c.reference, c.priority FROM unit_recipients a JOIN care_recipients c USING (recipient_id)
WHERE a.role = 'responsible' AND a.unit_id = ANY (%(units)s::bigint[]);

-- name: filters
-- Whoever asks sees his own (row level security), each with how many units it holds now.
SELECT f.filter_id, f.name, f.concern, f.municipality, f.unit_type, f.made_at,
       (SELECT coalesce(sum(k.units), 0)::int FROM concern_counts k
        WHERE k.concern = f.concern AND (f.municipality IS NULL OR k.municipality_id = f.municipality)
          AND (f.unit_type IS NULL OR k.unit_type = f.unit_type)) AS units
FROM saved_filters f ORDER BY f.name, f.filter_id;

-- name: filter_count
SELECT count(*) AS filters FROM saved_filters;

-- name: save_filter
INSERT INTO saved_filters (owner, name, concern, municipality, unit_type, made_at)
VALUES (current_setting('livlina.actor'), %(name)s, %(concern)s, %(municipality)s, %(unit_type)s, %(at)s)
ON CONFLICT (owner, name) DO NOTHING RETURNING filter_id, name, concern, municipality, unit_type, made_at;

-- name: drop_filter
DELETE FROM saved_filters WHERE filter_id = %(filter_id)s RETURNING filter_id;
