-- The first schema: tenancy, registry, the alarm path, readings, people who log in.
-- Rules: the municipality stands on every row (0 is the installation itself); row level security is forced
-- everywhere; a duty of the server is a role that cannot log in and holds only what that duty needs.

DO $$
DECLARE duty text;
BEGIN
    FOREACH duty IN ARRAY ARRAY['livlina_registry', 'livlina_ingest', 'livlina_forward', 'livlina_web'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', duty);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of the same cluster has made it
        END;
    END LOOP;
END $$;

-- Whose rows the present transaction may see. Set with SET LOCAL, so it can never leak into the next one.
CREATE FUNCTION livlina_municipalities() RETURNS int[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT string_to_array(nullif(current_setting('livlina.municipalities', true), ''), ',')::int[] $$;

-- Registry --------------------------------------------------------------------------------------------------------

CREATE TABLE municipalities (
    municipality_id int PRIMARY KEY,
    name text NOT NULL
);
INSERT INTO municipalities VALUES (0, 'the installation');

CREATE TABLE units (
    unit_id bigint PRIMARY KEY CHECK (unit_id BETWEEN 1 AND 4294967295),
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_type text NOT NULL CHECK (unit_type IN ('social', 'personal', 'tracker', 'camera', 'technical')),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'revoked')),
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX units_by_municipality ON units (municipality_id);

-- secret is sealed under a key that the database never sees (fleet/registry/secret_box.py).
CREATE TABLE unit_keys (
    unit_id bigint NOT NULL REFERENCES units,
    generation int NOT NULL CHECK (generation BETWEEN 0 AND 255),
    municipality_id int NOT NULL REFERENCES municipalities,
    secret bytea NOT NULL,
    counter_high bigint NOT NULL DEFAULT -1,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit_id, generation)
) WITH (fillfactor = 80);

CREATE TABLE unit_certificates (
    fingerprint bytea PRIMARY KEY CHECK (octet_length(fingerprint) = 32),
    unit_id bigint NOT NULL REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    serial text NOT NULL,
    revoked_at timestamptz,
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX unit_certificates_by_unit ON unit_certificates (unit_id);

-- The present state of a unit is a row, never a search over readings.
CREATE TABLE unit_states (
    unit_id bigint PRIMARY KEY REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    seen_at timestamptz NOT NULL,
    due_at timestamptz,
    boot bigint,
    seq bigint,
    transport text,
    address text,
    bearer int,
    battery int,
    signal int,
    flags int,
    status bytea,
    status_at timestamptz
) WITH (fillfactor = 70);

-- A unit that asked for a persistent MQTT session (clean session 0); its presence is "session present".
CREATE TABLE mqtt_sessions (
    unit_id bigint PRIMARY KEY REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    subscribed boolean NOT NULL DEFAULT false,
    connected_at timestamptz NOT NULL DEFAULT now()
);

-- Alarm path ------------------------------------------------------------------------------------------------------

CREATE TABLE centres (
    centre_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    name text NOT NULL UNIQUE,
    protocol text NOT NULL CHECK (protocol IN ('dc09')),
    host text NOT NULL,
    port int NOT NULL CHECK (port BETWEEN 1 AND 65535)
);

-- Which centre takes a municipality's alarms. One row a municipality now; rank leaves room for a secondary.
CREATE TABLE routes (
    municipality_id int NOT NULL REFERENCES municipalities,
    rank int NOT NULL DEFAULT 1,
    centre_id int NOT NULL REFERENCES centres,
    PRIMARY KEY (municipality_id, rank)
);

CREATE TABLE cases (
    case_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_id bigint NOT NULL REFERENCES units,
    unit_type text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'taken', 'closed')),
    priority int NOT NULL CHECK (priority BETWEEN 1 AND 9),
    kind int NOT NULL,
    input int,
    presses int NOT NULL,
    marks text[] NOT NULL DEFAULT '{}',
    opened_at timestamptz NOT NULL,
    pressed_at timestamptz,
    last_press_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by text,
    refused_by text,
    taken_at timestamptz,
    taken_by text,
    taken_before_by text,
    closed_at timestamptz,
    closed_by text,
    outcome text,
    CHECK ((state = 'open') = (taken_at IS NULL)),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
) WITH (fillfactor = 80);
-- At most one case of a unit is not closed: a repeated press joins it instead of hiding behind it.
CREATE UNIQUE INDEX cases_one_open_per_unit ON cases (unit_id) WHERE state <> 'closed';
CREATE INDEX cases_not_closed ON cases (municipality_id, priority, opened_at) WHERE state <> 'closed';
CREATE INDEX cases_closed ON cases (closed_at DESC, case_id DESC) WHERE state = 'closed';

-- One row per press: the raw frame and what it said. (unit, boot, seq) decides what is a double, for ever.
CREATE TABLE presses (
    unit_id bigint NOT NULL REFERENCES units,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    municipality_id int NOT NULL REFERENCES municipalities,
    case_id bigint NOT NULL REFERENCES cases,
    received_at timestamptz NOT NULL,
    pressed_at timestamptz,
    transport text NOT NULL,
    generation int NOT NULL,
    counter bigint NOT NULL,
    kind int NOT NULL,
    input int,
    count int,
    age_s bigint,
    attempt int,
    bearer int,
    battery int,
    flags int NOT NULL DEFAULT 0,
    clock bigint,
    marks text[] NOT NULL DEFAULT '{}',
    raw bytea NOT NULL,
    accepted_at timestamptz,
    taken_at timestamptz,
    PRIMARY KEY (unit_id, boot, seq)
);
CREATE INDEX presses_by_case ON presses (case_id);

-- What a centre still has to be told. Delivered means the centre's protocol said so, never that bytes were sent.
CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    centre_id int NOT NULL REFERENCES centres,
    case_id bigint NOT NULL REFERENCES cases,
    unit_id bigint NOT NULL,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    queued_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    claimed_until timestamptz,
    delivered_at timestamptz,
    last_outcome text,
    UNIQUE (unit_id, boot, seq, centre_id),
    FOREIGN KEY (unit_id, boot, seq) REFERENCES presses
) WITH (fillfactor = 70);
-- Only what is still owed is in the index, so claiming stays fast however long the history grows.
CREATE INDEX outbox_owed ON outbox (centre_id, outbox_id) WHERE delivered_at IS NULL;
CREATE INDEX outbox_by_case ON outbox (case_id);

-- Every change of a case, with one number that grows in commit order (see fleet/alarms/README.md).
CREATE TABLE case_log (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    case_id bigint NOT NULL REFERENCES cases,
    at timestamptz NOT NULL,
    change text NOT NULL CHECK (change IN ('opened', 'repeated', 'accepted', 'refused', 'taken', 'closed')),
    actor text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX case_log_by_case ON case_log (case_id);

CREATE TABLE unit_events (
    unit_id bigint NOT NULL REFERENCES units,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    municipality_id int NOT NULL REFERENCES municipalities,
    received_at timestamptz NOT NULL,
    kind int NOT NULL,
    age_s bigint,
    about_boot bigint,
    about_seq bigint,
    data bytea,
    raw bytea NOT NULL,
    PRIMARY KEY (unit_id, boot, seq)
);

-- Heartbeats: native partitions by day, created ahead; a default partition so that none is ever refused.
CREATE TABLE readings (
    day date NOT NULL,
    unit_id bigint NOT NULL,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    municipality_id int NOT NULL,
    received_at timestamptz NOT NULL,
    next_due_s bigint NOT NULL,
    transport text NOT NULL,
    bearer int,
    battery int,
    signal int,
    attempts int,
    flags int,
    open_presses int,
    refused bigint,
    operator bigint,
    radio int,
    PRIMARY KEY (unit_id, boot, seq, day)
) PARTITION BY RANGE (day);
CREATE TABLE readings_default PARTITION OF readings DEFAULT;

-- Makes the partitions of the next days; the caller needs no right to create tables.
CREATE FUNCTION livlina_partitions_ahead(days int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
DECLARE
    made int := 0;
    d date;
BEGIN
    IF days NOT BETWEEN 0 AND 60 THEN
        RAISE EXCEPTION 'days must be 0..60';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('livlina_partitions_ahead'));
    FOR i IN 0..days LOOP
        d := current_date + i;
        IF to_regclass('public.readings_' || to_char(d, 'YYYYMMDD')) IS NULL
           AND NOT EXISTS (SELECT 1 FROM readings_default r WHERE r.day = d) THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF readings FOR VALUES FROM (%L) TO (%L)',
                           'readings_' || to_char(d, 'YYYYMMDD'), d, d + 1);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', 'readings_' || to_char(d, 'YYYYMMDD'));
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', 'readings_' || to_char(d, 'YYYYMMDD'));
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

-- What was dropped at the edge, by reason: the only thing that a bad frame may write.
CREATE TABLE ingest_drops (
    day date NOT NULL,
    transport text NOT NULL,
    reason text NOT NULL,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    dropped bigint NOT NULL,
    PRIMARY KEY (day, transport, reason)
);

-- People ----------------------------------------------------------------------------------------------------------

CREATE TABLE users (
    user_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    login text NOT NULL UNIQUE CHECK (login = lower(login)),
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('operator')),
    municipalities int[] NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz
);

CREATE TABLE web_sessions (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    user_id int NOT NULL REFERENCES users,
    municipality_id int NOT NULL REFERENCES municipalities,
    made_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz NOT NULL DEFAULT now(),
    shown_position bigint NOT NULL DEFAULT 0,
    shown_at timestamptz
);

-- Failed log-ins, to slow down guessing; one row a login, whether that login exists or not.
CREATE TABLE login_failures (
    login text PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    failures int NOT NULL,
    last_at timestamptz NOT NULL
);

-- Rights ----------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
    FOR t IN SELECT c.relname FROM pg_class c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_migrations' LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        -- The server's own duties act for every municipality; what they may do is limited by GRANT.
        EXECUTE format('CREATE POLICY duty ON %I TO livlina_registry, livlina_ingest, livlina_forward '
                       'USING (true) WITH CHECK (true)', t);
        -- People see the municipalities of their session and nothing else.
        EXECUTE format('CREATE POLICY tenant ON %I TO livlina_web '
                       'USING (municipality_id = ANY (livlina_municipalities())) '
                       'WITH CHECK (municipality_id = ANY (livlina_municipalities()))', t);
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION livlina_partitions_ahead(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION livlina_partitions_ahead(int) TO livlina_ingest, livlina_registry;
GRANT USAGE ON SCHEMA public TO livlina_registry, livlina_ingest, livlina_forward, livlina_web;

GRANT SELECT, INSERT, UPDATE ON municipalities, units, unit_keys, unit_certificates, centres, routes, users TO livlina_registry;
GRANT DELETE ON routes TO livlina_registry;
GRANT SELECT (user_id), DELETE ON web_sessions TO livlina_registry;  -- a new password ends what the old one opened
GRANT SELECT ON presses, cases, outbox, case_log, readings, unit_states, unit_events, ingest_drops TO livlina_registry;

GRANT SELECT ON municipalities, units, unit_keys, unit_certificates, routes, centres TO livlina_ingest;
GRANT UPDATE (counter_high) ON unit_keys TO livlina_ingest;
GRANT SELECT, INSERT, UPDATE ON unit_states, cases, mqtt_sessions, ingest_drops TO livlina_ingest;
GRANT DELETE ON mqtt_sessions TO livlina_ingest;
GRANT SELECT, INSERT ON presses, outbox, case_log, readings, unit_events TO livlina_ingest;

GRANT SELECT ON municipalities, units, centres, routes, presses, cases, outbox, case_log TO livlina_forward;
GRANT UPDATE (attempts, next_try_at, claimed_until, delivered_at, last_outcome) ON outbox TO livlina_forward;
GRANT UPDATE (accepted_at) ON presses TO livlina_forward;
GRANT UPDATE (accepted_at, accepted_by, refused_by) ON cases TO livlina_forward;
GRANT INSERT ON case_log TO livlina_forward;

GRANT SELECT ON municipalities, units, unit_states, presses, cases, outbox, case_log TO livlina_web;
GRANT UPDATE (state, taken_at, taken_by, closed_at, closed_by, outcome) ON cases TO livlina_web;
GRANT UPDATE (taken_at) ON presses TO livlina_web;
GRANT INSERT ON case_log TO livlina_web;

-- Log-in happens before anybody's municipalities are known, so it has a duty of its own.
DO $$
BEGIN
    BEGIN
        CREATE ROLE livlina_login NOLOGIN NOBYPASSRLS;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
END $$;
GRANT USAGE ON SCHEMA public TO livlina_login;
GRANT SELECT ON users TO livlina_login;
GRANT SELECT, INSERT, UPDATE, DELETE ON web_sessions, login_failures TO livlina_login;
CREATE POLICY login ON users TO livlina_login USING (true);
CREATE POLICY login ON web_sessions TO livlina_login USING (true) WITH CHECK (true);
CREATE POLICY login ON login_failures TO livlina_login USING (true) WITH CHECK (true);
