-- What units report besides presses, what they are told, what a technician has to see to, and SMS gateways.
-- Rules as in 0001: the municipality on every row, row level security forced, a duty holds what it needs.

-- Technicians -----------------------------------------------------------------------------------------------------

-- Something about a unit that a person must see to. `part` is an input, a SIM slot or a fault's code, by kind.
CREATE TABLE technician_tasks (
    task_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_id bigint NOT NULL REFERENCES units,
    kind text NOT NULL CHECK (kind <> ''),
    part bigint,
    detail jsonb NOT NULL DEFAULT '{}',
    reports int NOT NULL DEFAULT 1,
    opened_at timestamptz NOT NULL,
    opened_by text NOT NULL,
    last_at timestamptz NOT NULL,
    note text,
    noted_at timestamptz,
    closed_at timestamptz,
    closed_by text,
    CHECK ((closed_at IS NULL) = (closed_by IS NULL))
) WITH (fillfactor = 80);
-- A fault that is reported again joins its task; a technician's list never grows with a unit's chatter.
CREATE UNIQUE INDEX technician_tasks_one_open ON technician_tasks (unit_id, kind, coalesce(part, -1))
    WHERE closed_at IS NULL;
CREATE INDEX technician_tasks_open ON technician_tasks (municipality_id, opened_at) WHERE closed_at IS NULL;

-- What units report -----------------------------------------------------------------------------------------------

-- The present condition of a unit, one row a condition and part (-1: the unit itself): mains, worn, stuck inputs,
-- missed pendants, SIMs. `at` is when it became so by the server's clock, (boot, seq) the message that said so; what is
-- older never overwrites what is newer.
CREATE TABLE unit_conditions (
    unit_id bigint NOT NULL REFERENCES units,
    condition text NOT NULL CHECK (condition <> ''),
    part bigint NOT NULL DEFAULT -1,
    municipality_id int NOT NULL REFERENCES municipalities,
    active boolean NOT NULL,
    at timestamptz NOT NULL,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (unit_id, condition, part)
) WITH (fillfactor = 80);

-- The newest heartbeat and status field by field; a status that leaves a field out leaves it as it was.
ALTER TABLE unit_states
    ADD COLUMN attempts int,
    ADD COLUMN open_presses int,
    ADD COLUMN refused bigint,
    ADD COLUMN operator bigint,
    ADD COLUMN radio int,
    ADD COLUMN version text,
    ADD COLUMN profile bigint,
    ADD COLUMN reboot bigint,
    ADD COLUMN heap_low bigint,
    ADD COLUMN temperature int,
    ADD COLUMN battery_mv int,
    ADD COLUMN supply_mv int,
    ADD COLUMN iccid1 text,
    ADD COLUMN iccid2 text,
    ADD COLUMN cell bigint,
    ADD COLUMN tac int,
    ADD COLUMN last_cause bigint,
    ADD COLUMN psm_active bigint,
    ADD COLUMN psm_tau bigint,
    ADD COLUMN edrx bigint,
    ADD COLUMN journal bytea,
    ADD COLUMN uptime bigint,
    ADD COLUMN modem text,
    ADD COLUMN imei text,
    ADD COLUMN clock bigint;

-- Every status as it was said, with the keys that this release does not know.
ALTER TABLE readings ADD COLUMN status bytea;

-- What the unit itself said about a press: its contact is stuck; it was old when it was sent.
ALTER TABLE presses
    ADD COLUMN stuck boolean GENERATED ALWAYS AS (flags & 8 <> 0) STORED,
    ADD COLUMN late boolean GENERATED ALWAYS AS (flags & 16 <> 0) STORED;
CREATE INDEX presses_unproven ON presses (unit_id, boot, seq) WHERE marks @> '{freshness_unproven}';

-- What a report means for a case, owed to the alarms until it is done. Written with the report, carried out in a
-- transaction of its own: the case log's lock never waits for heartbeats.
CREATE TABLE case_effects (
    effect_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_id bigint NOT NULL REFERENCES units,
    effect text NOT NULL CHECK (effect IN ('stuck', 'released', 'genuine', 'replay')),
    boot bigint,
    seq bigint,
    input bigint,
    at timestamptz NOT NULL,
    failed_at timestamptz,
    CHECK ((effect IN ('stuck', 'released')) = (boot IS NULL AND seq IS NULL))
);

-- Commands --------------------------------------------------------------------------------------------------------

-- An order to a unit. Its number only grows; it goes out behind whatever the unit sends until it is answered.
CREATE TABLE unit_commands (
    unit_id bigint NOT NULL REFERENCES units,
    number bigint NOT NULL CHECK (number > 0),
    municipality_id int NOT NULL REFERENCES municipalities,
    kind bigint NOT NULL,
    args bytea,
    actor text NOT NULL,
    queued_at timestamptz NOT NULL,
    expires_at timestamptz,
    sends int NOT NULL DEFAULT 0,
    sent_at timestamptz,
    about_boot bigint,
    about_seq bigint,
    answered_at timestamptz,
    result bigint,
    answer bytea,
    PRIMARY KEY (unit_id, number),
    CHECK ((answered_at IS NULL) = (result IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX unit_commands_waiting ON unit_commands (unit_id, number) WHERE answered_at IS NULL;
-- A press is challenged once.
CREATE UNIQUE INDEX unit_commands_one_challenge ON unit_commands (unit_id, about_boot, about_seq) WHERE kind = 1;

-- SMS -------------------------------------------------------------------------------------------------------------

-- A gateway that posts units' SMS to us and may send ours. Its token is kept as a hash, ours for it is sealed under
-- the key outside the database. Municipality 0: it serves the installation.
CREATE TABLE sms_gateways (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    municipality_id int NOT NULL REFERENCES municipalities,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    send_url text,
    send_secret bytea,
    made_at timestamptz NOT NULL
);

-- Rights ----------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['technician_tasks', 'unit_conditions', 'case_effects', 'unit_commands', 'sms_gateways'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        EXECUTE format('CREATE POLICY duty ON %I TO livlina_registry, livlina_ingest, livlina_forward '
                       'USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO livlina_web '
                       'USING (municipality_id = ANY (livlina_municipalities())) '
                       'WITH CHECK (municipality_id = ANY (livlina_municipalities()))', t);
    END LOOP;
END $$;

GRANT SELECT, INSERT ON technician_tasks TO livlina_ingest;
GRANT UPDATE (detail, reports, last_at, note, noted_at, closed_at, closed_by) ON technician_tasks TO livlina_ingest;
GRANT SELECT, INSERT ON unit_conditions TO livlina_ingest;
GRANT UPDATE (active, at, boot, seq, detail) ON unit_conditions TO livlina_ingest;
GRANT SELECT, INSERT, DELETE ON case_effects TO livlina_ingest;
GRANT UPDATE (failed_at) ON case_effects TO livlina_ingest;
GRANT SELECT, INSERT ON unit_commands TO livlina_ingest;
GRANT UPDATE (sends, sent_at, answered_at, result, answer) ON unit_commands TO livlina_ingest;
GRANT SELECT ON sms_gateways TO livlina_ingest;
-- A press loses its mark when its unit has answered, and gains one when it was denied.
GRANT UPDATE (marks) ON presses TO livlina_ingest;

GRANT SELECT ON technician_tasks, unit_conditions, unit_commands TO livlina_registry;
GRANT UPDATE (closed_at, closed_by) ON technician_tasks TO livlina_registry;
GRANT UPDATE (active, at) ON unit_conditions TO livlina_registry;
GRANT INSERT ON unit_commands TO livlina_registry;
GRANT SELECT, INSERT, UPDATE, DELETE ON sms_gateways TO livlina_registry;

GRANT SELECT ON technician_tasks, unit_conditions TO livlina_web;
