-- Plans for the sunset as they were made: what was asked, the answer, and each visit. Rules as in 0001. Additive.

-- A plan may reach over several municipalities: it is seen by whoever sees all of them; a visit by its own's.
CREATE TABLE sunset_plans (
    plan_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    municipalities int[] NOT NULL CHECK (cardinality(municipalities) > 0),
    made_by text NOT NULL CHECK (made_by <> ''),
    made_at timestamptz NOT NULL,
    based_on bigint,
    asked jsonb NOT NULL,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    seconds double precision,
    document jsonb,
    CHECK ((state = 'done') = (document IS NOT NULL))
);
CREATE INDEX sunset_plans_by_maker ON sunset_plans (made_by, plan_id);

CREATE TABLE sunset_plan_visits (
    plan_id bigint NOT NULL REFERENCES sunset_plans ON DELETE CASCADE,
    place int NOT NULL,
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_id bigint NOT NULL REFERENCES units,
    unit_type text NOT NULL,
    what text NOT NULL,
    day int NOT NULL,
    on_date date NOT NULL,
    installer int NOT NULL,
    wave int NOT NULL,
    district text NOT NULL,
    deadline date,
    late boolean NOT NULL,
    person boolean NOT NULL,
    PRIMARY KEY (plan_id, place)
);
CREATE INDEX sunset_plan_visits_by_day ON sunset_plan_visits (plan_id, day, installer, place);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['sunset_plans', 'sunset_plan_visits'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        EXECUTE format('CREATE POLICY duty ON %I TO livlina_registry USING (true) WITH CHECK (true)', t);
    END LOOP;
END $$;
CREATE POLICY tenant ON sunset_plans TO livlina_web
    USING (municipalities <@ livlina_municipalities()) WITH CHECK (municipalities <@ livlina_municipalities());
CREATE POLICY tenant ON sunset_plan_visits TO livlina_web
    USING (municipality_id = ANY (livlina_municipalities()))
    WITH CHECK (municipality_id = ANY (livlina_municipalities()));

GRANT SELECT, INSERT, DELETE ON sunset_plans, sunset_plan_visits TO livlina_web;
GRANT UPDATE (state, seconds, document) ON sunset_plans TO livlina_web;
GRANT SELECT ON sunset_plans, sunset_plan_visits TO livlina_registry;
