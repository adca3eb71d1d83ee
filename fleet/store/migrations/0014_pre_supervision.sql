-- What supervision has decided: the state of units, incidents, their members and visit lists, profiles by municipality.
-- Rules as in 0001: the municipality on every row, row level security forced, a duty holds what it needs.
-- Additive: the release before writes nothing here.

DO $$
BEGIN
    CREATE ROLE livlina_supervise NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA public TO livlina_supervise;

-- The figures of a municipality's own; without a row the shipped default holds (fleet/supervision/profiles.py).
CREATE TABLE supervision_profiles (
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_type text NOT NULL CHECK (unit_type IN ('social', 'personal', 'tracker', 'camera', 'technical')),
    name text NOT NULL CHECK (name <> ''),
    report_s int NOT NULL CHECK (report_s BETWEEN 5 AND 10000000),
    spare_s int CHECK (spare_s BETWEEN 5 AND 10000000),
    source text NOT NULL CHECK (source <> ''),
    set_at timestamptz NOT NULL DEFAULT now(),
    set_by text NOT NULL,
    PRIMARY KEY (municipality_id, unit_type)
);

CREATE TABLE unit_supervision (
    unit_id bigint PRIMARY KEY REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    state text NOT NULL CHECK (state IN ('known', 'late', 'probing', 'silent', 'off', 'no_power', 'no_network',
                                         'not_worn', 'absent')),
    cause text NOT NULL,
    since timestamptz NOT NULL,
    told boolean NOT NULL DEFAULT false,
    incident_id bigint
) WITH (fillfactor = 70);
CREATE INDEX unit_supervision_unheard ON unit_supervision (municipality_id, state)
    WHERE state NOT IN ('known', 'not_worn', 'absent');

-- Every change, for the unit's timeline; pruned with the readings.
CREATE TABLE unit_supervision_log (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit_id bigint NOT NULL REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    at timestamptz NOT NULL,
    was text NOT NULL,
    state text NOT NULL,
    cause text NOT NULL,
    told boolean NOT NULL,
    incident_id bigint
);
CREATE INDEX unit_supervision_log_by_unit ON unit_supervision_log (unit_id, entry_id);

-- An incident may touch several municipalities: its own row is everybody's (0), its members are their municipality's.
CREATE TABLE incidents (
    incident_id bigint PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    kind text NOT NULL CHECK (kind IN ('outage', 'power')),
    scopes jsonb NOT NULL,
    began_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    stage int NOT NULL DEFAULT 1,
    report jsonb NOT NULL,
    late_presses jsonb NOT NULL DEFAULT '[]'
) WITH (fillfactor = 70);
CREATE INDEX incidents_open ON incidents (opened_at) WHERE closed_at IS NULL;

CREATE TABLE incident_units (
    incident_id bigint NOT NULL REFERENCES incidents,
    unit_id bigint NOT NULL REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    fate text NOT NULL CHECK (fate IN ('presumed', 'on battery', 'down', 'other path', 'back')),
    fate_at timestamptz NOT NULL,
    since timestamptz NOT NULL,
    single boolean NOT NULL,
    switch_by timestamptz NOT NULL,
    was_down boolean NOT NULL,
    priority int NOT NULL,
    district text NOT NULL,
    reference text NOT NULL,
    PRIMARY KEY (incident_id, unit_id)
) WITH (fillfactor = 70);
CREATE INDEX incident_units_by_unit ON incident_units (unit_id);

-- What the leader asks others to do about a late unit: probes, SMS wakes, questions to SIM providers. Whoever can do
-- one takes it; an answer is the unit's next message, or `attached`.
CREATE TABLE supervision_steps (
    step_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit_id bigint NOT NULL REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    step text NOT NULL CHECK (step IN ('probe path', 'probe spare', 'sms wake', 'ask sim provider')),
    asked_at timestamptz NOT NULL,
    taken_at timestamptz,
    attached boolean,
    answered_at timestamptz
);
CREATE INDEX supervision_steps_waiting ON supervision_steps (step, asked_at) WHERE taken_at IS NULL;

-- The leader's own sign of life, and until where it has read: what lies between this and its next is our downtime.
CREATE TABLE supervision_ticks (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    ticked_at timestamptz NOT NULL,
    mark bigint NOT NULL DEFAULT 0
);


DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['supervision_profiles', 'unit_supervision', 'unit_supervision_log', 'incidents',
                             'incident_units', 'supervision_steps', 'supervision_ticks'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        EXECUTE format('CREATE POLICY duty ON %I TO livlina_supervise, livlina_registry, livlina_ingest '
                       'USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY tenant ON %I FOR SELECT TO livlina_web '
                       'USING (municipality_id = ANY (livlina_municipalities()))', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['municipalities', 'units', 'unit_states', 'unit_conditions', 'unit_sims', 'unit_recipients',
                             'care_recipients', 'presses', 'technician_tasks', 'database_mark'] LOOP
        EXECUTE format('CREATE POLICY supervising ON %I TO livlina_supervise USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT ON %I TO livlina_supervise', t);
    END LOOP;
END $$;
-- An incident is seen by whoever has a unit in it.
CREATE POLICY touched ON incidents FOR SELECT TO livlina_web USING (
    EXISTS (SELECT 1 FROM incident_units m WHERE m.incident_id = incidents.incident_id));

GRANT SELECT ON supervision_profiles TO livlina_supervise;
GRANT SELECT, INSERT, UPDATE ON unit_supervision, incidents, supervision_ticks, supervision_steps TO livlina_supervise;
GRANT SELECT, INSERT ON unit_supervision_log TO livlina_supervise;
GRANT SELECT, INSERT, UPDATE, DELETE ON incident_units TO livlina_supervise;
GRANT INSERT ON technician_tasks TO livlina_supervise;
GRANT UPDATE (detail, reports, last_at, closed_at, closed_by) ON technician_tasks TO livlina_supervise;
GRANT SELECT, UPDATE (taken_at, attached, answered_at) ON supervision_steps TO livlina_ingest, livlina_registry;
GRANT SELECT, INSERT, UPDATE, DELETE ON supervision_profiles TO livlina_registry;
GRANT SELECT ON unit_supervision, unit_supervision_log, incidents, incident_units, supervision_ticks TO livlina_registry;
GRANT SELECT ON unit_supervision, unit_supervision_log, incident_units, supervision_profiles TO livlina_web;
-- Late presses name units of every municipality: pages show those of the units that they may see, out of `presses`.
GRANT SELECT (incident_id, municipality_id, kind, scopes, began_at, opened_at, closed_at, stage, report) ON incidents
    TO livlina_web;
