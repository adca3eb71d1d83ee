-- Units whose other path was not proven in the time of their profile, and those that report too seldom for it, are
-- counted on the fleet's page. Additive: the release before writes neither concern, and no interval.

ALTER TABLE unit_states ADD COLUMN interval_s int;
COMMENT ON COLUMN unit_states.interval_s IS 'Seconds until the next heartbeat, as the last one said; an event says nothing of it.';

ALTER TABLE unit_concerns DROP CONSTRAINT unit_concerns_concern_check;
ALTER TABLE unit_concerns ADD CONSTRAINT unit_concerns_concern_check CHECK (concern IN (
    'silent', 'low_battery', 'single_path', 'unproven_button', 'doomed', 'unprotected', 'unproven_path', 'seldom_heard'));

-- The other path of each unit that has more than one: what needs no SIM (slot 0), and each SIM that is registered or was
-- seen. The path that was seen or proven last is in use; the next one is the other. `begins_at` is from when its time
-- runs: its last proof or, never proven, the first sign of the unit. Reads by the primary keys, which begin with unit_id.
CREATE VIEW unit_other_paths WITH (security_invoker = true) AS
SELECT w.unit_id, (array_agg(w.at ORDER BY w.at DESC NULLS LAST))[2] AS proven_at,
       coalesce((array_agg(w.at ORDER BY w.at DESC NULLS LAST))[2], min(w.first_at)) AS begins_at
FROM (SELECT p.unit_id, p.slot, max(p.at) AS at, min(p.first_at) AS first_at
      FROM (SELECT unit_id, slot, greatest(seen_at, proven_at) AS at, first_seen_at AS first_at FROM unit_paths
            UNION ALL SELECT unit_id, slot, NULL, NULL FROM unit_sims) p
      GROUP BY p.unit_id, p.slot) w
GROUP BY w.unit_id HAVING count(*) > 1;
REVOKE ALL ON unit_other_paths FROM PUBLIC;
GRANT SELECT ON unit_other_paths TO livlina_supervise, livlina_web;
