-- What a person has to put right with a centre, and the reason that goes with what was moved.
-- Additive: the release before writes nothing here and goes on as it was.

-- One row a centre, kind and unit (NULL: the centre itself) while it lasts. `counts` is true until the centre takes
-- something again: units that are refused meanwhile say whether it is about one of them or about all.
CREATE TABLE centre_troubles (
    trouble_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    centre_id int NOT NULL REFERENCES centres,
    municipality_id int NOT NULL REFERENCES municipalities,
    kind text NOT NULL CHECK (kind IN ('unit', 'authentication', 'certificate', 'configuration', 'refusing')),
    unit_id bigint REFERENCES units,
    code text NOT NULL DEFAULT '',
    times int NOT NULL DEFAULT 1,
    began_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    counts boolean NOT NULL DEFAULT true,
    ended_at timestamptz
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX centre_troubles_one_open ON centre_troubles (centre_id, kind, coalesce(unit_id, -1))
    WHERE ended_at IS NULL;

ALTER TABLE centre_troubles ENABLE ROW LEVEL SECURITY;
ALTER TABLE centre_troubles FORCE ROW LEVEL SECURITY;
REVOKE ALL ON centre_troubles FROM PUBLIC;
CREATE POLICY duty ON centre_troubles TO livlina_registry, livlina_forward USING (true) WITH CHECK (true);
-- What is about a unit is for those who see the unit; the rest for all who see the centre.
CREATE POLICY tenant ON centre_troubles FOR SELECT TO livlina_web USING (
    CASE WHEN unit_id IS NULL THEN EXISTS (SELECT 1 FROM centres n WHERE n.centre_id = centre_troubles.centre_id)
         ELSE municipality_id = ANY (livlina_municipalities()) END);

GRANT SELECT, INSERT, UPDATE ON centre_troubles TO livlina_forward;
GRANT SELECT ON centre_troubles TO livlina_registry, livlina_web;

-- A unit that a centre does not know is a technician's task.
CREATE POLICY forwarding ON technician_tasks TO livlina_forward USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON technician_tasks TO livlina_forward;
GRANT UPDATE (detail, reports, last_at, closed_at, closed_by) ON technician_tasks TO livlina_forward;
