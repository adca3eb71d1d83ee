-- What needs attention now, kept by batch for the fleet's page: one row a unit and concern, and their counts.
-- Rules as in 0001: the municipality on every row, row level security forced, a duty holds what it needs. Additive.

-- `rank` orders a concern's list, the most urgent first: its meaning is the concern's (fleet/attention/README.md).
-- Nothing here names a person; `detail` holds numbers and codes.
CREATE TABLE unit_concerns (
    unit_id bigint NOT NULL REFERENCES units,
    concern text NOT NULL CHECK (concern IN ('silent', 'low_battery', 'single_path', 'unproven_button', 'doomed',
                                             'unprotected')),
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_type text NOT NULL,
    rank double precision NOT NULL,
    since timestamptz NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (unit_id, concern)
) WITH (fillfactor = 80);
CREATE INDEX unit_concerns_by_rank ON unit_concerns (concern, rank, unit_id);
CREATE INDEX unit_concerns_by_type ON unit_concerns (concern, unit_type, rank, unit_id);
CREATE INDEX unit_concerns_by_place ON unit_concerns (municipality_id, concern, rank, unit_id);

-- The same, counted; the concern 'units' counts everybody who is relied on.
CREATE TABLE concern_counts (
    municipality_id int NOT NULL REFERENCES municipalities,
    concern text NOT NULL,
    unit_type text NOT NULL,
    units int NOT NULL CHECK (units > 0),
    PRIMARY KEY (municipality_id, concern, unit_type)
) WITH (fillfactor = 80);

-- When each concern was looked at last: a page says how old its figures are.
CREATE TABLE concern_looks (
    concern text PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    looked_at timestamptz NOT NULL,
    took_ms int NOT NULL
) WITH (fillfactor = 50);

-- Batteries: a reading in six hours at most, for two weeks; and what they were last forecast to last.
CREATE TABLE battery_samples (
    unit_id bigint NOT NULL REFERENCES units,
    slot bigint NOT NULL,
    municipality_id int NOT NULL REFERENCES municipalities,
    at timestamptz NOT NULL,
    mv int NOT NULL,
    celsius real,
    signal int,
    PRIMARY KEY (unit_id, slot)
);
CREATE INDEX battery_samples_by_slot ON battery_samples (slot);

CREATE TABLE battery_forecasts (
    unit_id bigint PRIMARY KEY REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    at timestamptz NOT NULL,
    days double precision NOT NULL,
    least double precision NOT NULL,
    most double precision NOT NULL,
    sigma double precision NOT NULL CHECK (sigma > 0),
    share double precision NOT NULL,
    percent int
) WITH (fillfactor = 70);

-- A filter that somebody keeps, with its name. Whose it is: person:17 or token:4, as everywhere.
CREATE TABLE saved_filters (
    filter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    owner text NOT NULL CHECK (owner <> ''),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    concern text NOT NULL,
    municipality int,
    unit_type text,
    made_at timestamptz NOT NULL,
    UNIQUE (owner, name)
);

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['unit_concerns', 'concern_counts', 'concern_looks', 'battery_samples', 'battery_forecasts',
                             'saved_filters'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        EXECUTE format('CREATE POLICY duty ON %I TO livlina_supervise, livlina_registry USING (true) WITH CHECK (true)', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['unit_concerns', 'concern_counts', 'battery_forecasts'] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I FOR SELECT TO livlina_web '
                       'USING (municipality_id = ANY (livlina_municipalities()))', t);
    END LOOP;
    -- What the looks read besides what supervision reads.
    FOREACH t IN ARRAY ARRAY['unit_paths', 'radio_networks', 'unit_inputs', 'button_proofs', 'unit_bearers',
                             'sunset_changes', 'modem_answers'] LOOP
        EXECUTE format('CREATE POLICY supervising ON %I FOR SELECT TO livlina_supervise USING (true)', t);
        EXECUTE format('GRANT SELECT ON %I TO livlina_supervise', t);
    END LOOP;
END $$;
CREATE POLICY shared ON concern_looks FOR SELECT TO livlina_web USING (true);
CREATE POLICY own ON saved_filters TO livlina_web
    USING (owner = current_setting('livlina.actor', true)) WITH CHECK (owner = current_setting('livlina.actor', true));

GRANT SELECT, INSERT, UPDATE, DELETE ON unit_concerns, concern_counts, concern_looks, battery_samples,
    battery_forecasts TO livlina_supervise;
GRANT SELECT ON unit_concerns, concern_counts, concern_looks, battery_forecasts TO livlina_registry, livlina_web;
GRANT SELECT, INSERT, DELETE ON saved_filters TO livlina_web;
