-- What proves that a frame is new: late frames, a database that came out of a backup, key generations that have ended;
-- and what was noticed about a unit that somebody else may be speaking for. Rules as in 0001.

-- `window_from`: below this counter a press that is not known counts as old and not as late. `restored_at`: the
-- database came out of a backup then, and nothing that was sealed with this key since has proven to be new.
-- `ended_at`: a later generation was used; nothing opens under this one any more.
ALTER TABLE unit_keys
    ADD COLUMN window_from bigint NOT NULL DEFAULT 0,
    ADD COLUMN restored_at timestamptz,
    ADD COLUMN ended_at timestamptz;
GRANT UPDATE (window_from, restored_at, ended_at) ON unit_keys TO livlina_ingest;
-- Orders from before a restore may have been obeyed: they are not sent again.
GRANT UPDATE (expires_at) ON unit_commands TO livlina_ingest, livlina_registry;

-- A number that only grows; each server keeps the last one that it has seen beside the database. A database whose
-- number is not above that came out of a backup. Municipality 0: it is the installation's.
CREATE TABLE database_mark (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    mark bigint NOT NULL DEFAULT 0
);
INSERT INTO database_mark DEFAULT VALUES;

-- One row a unit and hour, however much was noticed: frames that were sealed before (`stale`), presses of doubtful age
-- (`unproven`), frames that came again and again (`repeated`), and a modem or SIM other than before (`moved`).
CREATE TABLE security_notices (
    unit_id bigint NOT NULL REFERENCES units,
    hour timestamptz NOT NULL,
    municipality_id int NOT NULL REFERENCES municipalities,
    stale bigint NOT NULL DEFAULT 0,
    unproven bigint NOT NULL DEFAULT 0,
    repeated bigint NOT NULL DEFAULT 0,
    moved bigint NOT NULL DEFAULT 0,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (unit_id, hour)
) WITH (fillfactor = 80);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['database_mark', 'security_notices'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        EXECUTE format('CREATE POLICY duty ON %I TO livlina_registry, livlina_ingest '
                       'USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO livlina_web '
                       'USING (municipality_id = ANY (livlina_municipalities())) '
                       'WITH CHECK (municipality_id = ANY (livlina_municipalities()))', t);
    END LOOP;
END $$;

GRANT SELECT, UPDATE ON database_mark TO livlina_ingest;
GRANT SELECT, INSERT, UPDATE ON security_notices TO livlina_ingest;
GRANT SELECT ON security_notices TO livlina_registry, livlina_web;
