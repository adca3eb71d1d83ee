-- The position that a unit sends behind its alarm goes on to the centre that has the case: a message of that case with a
-- row of its own, beside the alarms' outbox and never in it. Nothing here holds a coordinate.
-- Additive: the release before keeps positions and tells nobody, as it always did.

-- A municipality may keep positions to itself.
ALTER TABLE municipalities ADD COLUMN positions_to_centres boolean NOT NULL DEFAULT true;

-- Positions that somebody may have to be told of; written in the transaction that keeps the event.
CREATE TABLE case_positions (
    unit_id bigint NOT NULL REFERENCES units,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    municipality_id int NOT NULL REFERENCES municipalities,
    received_at timestamptz NOT NULL,
    about_boot bigint,
    about_seq bigint,
    ended_at timestamptz,
    PRIMARY KEY (unit_id, boot, seq)
);
CREATE INDEX case_positions_live ON case_positions (unit_id, received_at) WHERE ended_at IS NULL;

-- One row a position and centre. The number comes from the outbox's own sequence, so that what a protocol numbers by it
-- is never the number of an alarm.
CREATE TABLE position_outbox (
    outbox_id bigint PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    centre_id int NOT NULL REFERENCES centres,
    case_id bigint NOT NULL REFERENCES cases,
    unit_id bigint NOT NULL,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    press_boot bigint NOT NULL,
    press_seq bigint NOT NULL,
    queued_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    claimed_until timestamptz,
    delivered_at timestamptz,
    withdrawn_at timestamptz,
    last_outcome text,
    UNIQUE (unit_id, boot, seq, centre_id),
    FOREIGN KEY (unit_id, boot, seq) REFERENCES case_positions,
    FOREIGN KEY (unit_id, press_boot, press_seq) REFERENCES presses
) WITH (fillfactor = 70);
CREATE INDEX position_outbox_due ON position_outbox (outbox_id) WHERE delivered_at IS NULL AND withdrawn_at IS NULL;

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['case_positions', 'position_outbox'] LOOP
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

GRANT SELECT ON case_positions, position_outbox TO livlina_registry;
GRANT SELECT, INSERT ON case_positions TO livlina_ingest;
GRANT SELECT ON case_positions, position_outbox, search_sessions, search_positions TO livlina_forward;
GRANT UPDATE (ended_at) ON case_positions TO livlina_forward;
GRANT INSERT, UPDATE ON position_outbox TO livlina_forward;
GRANT SELECT (unit_id, boot, seq, age_s, data) ON unit_events TO livlina_forward;
GRANT USAGE ON SEQUENCE outbox_outbox_id_seq TO livlina_forward;
