-- Whoever carries out supervision's steps: orders through the front doors, SMS wakes and SIM providers' views. Additive.

ALTER TABLE supervision_steps ADD COLUMN outcome text;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['supervision_steps', 'unit_sims'] LOOP
        EXECUTE format('CREATE POLICY probing ON %I TO livlina_forward USING (true) WITH CHECK (true)', t);
    END LOOP;
END $$;
GRANT SELECT ON supervision_steps, unit_sims TO livlina_forward;
GRANT UPDATE (taken_at, attached, answered_at, outcome) ON supervision_steps TO livlina_forward;
GRANT UPDATE (outcome) ON supervision_steps TO livlina_ingest;
-- Steps are kept for the unit's timeline and then go.
GRANT DELETE ON supervision_steps TO livlina_ingest;
CREATE INDEX supervision_steps_by_unit ON supervision_steps (unit_id, step_id);
