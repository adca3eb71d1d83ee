-- When a unit's connection ended without a farewell: a hint to ask after it, and no more. Additive.
-- NULL: it is connected again, or said goodbye.
CREATE TABLE unit_closes (
    unit_id bigint PRIMARY KEY REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    closed_at timestamptz,
    written_at timestamptz NOT NULL
);
CREATE INDEX unit_closes_lately ON unit_closes (written_at);

ALTER TABLE unit_closes ENABLE ROW LEVEL SECURITY;
ALTER TABLE unit_closes FORCE ROW LEVEL SECURITY;
REVOKE ALL ON unit_closes FROM PUBLIC;
CREATE POLICY duty ON unit_closes TO livlina_supervise, livlina_registry, livlina_ingest USING (true) WITH CHECK (true);
CREATE POLICY tenant ON unit_closes FOR SELECT TO livlina_web
    USING (municipality_id = ANY (livlina_municipalities()));
GRANT SELECT, INSERT, UPDATE ON unit_closes TO livlina_ingest;
GRANT SELECT ON unit_closes TO livlina_supervise, livlina_registry;
