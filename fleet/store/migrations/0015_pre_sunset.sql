-- Where units were seen and what was proven there, the calendar's own rows, what modems have answered.
-- Rules as in 0001: the municipality on every row, row level security forced, a duty holds what it needs. Additive.

-- A bearer on which a unit was seen: one row each, whatever the number of readings. `slot` 0 needs no SIM; `operator` is
-- MCC and MNC, 0 without one; `radio` is the wire's. `proven_with` is the modem's firmware at the proof.
CREATE TABLE unit_bearers (
    unit_id bigint NOT NULL REFERENCES units,
    slot int NOT NULL CHECK (slot BETWEEN 0 AND 2),
    operator bigint NOT NULL CHECK (operator BETWEEN 0 AND 999999),
    radio int NOT NULL CHECK (radio BETWEEN 1 AND 7),
    municipality_id int NOT NULL REFERENCES municipalities,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    proven_at timestamptz,
    proven_with text,
    PRIMARY KEY (unit_id, slot, operator, radio)
) WITH (fillfactor = 80);

-- A heartbeat that tells its operator tells its bearer with it: only such a pair is believed. The row is written anew
-- once a day, and not at each heartbeat.
CREATE FUNCTION livlina_bearer_seen() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO unit_bearers AS b (unit_id, slot, operator, radio, municipality_id, first_seen, last_seen)
    VALUES (NEW.unit_id, CASE NEW.bearer WHEN 3 THEN 1 WHEN 4 THEN 2 ELSE 0 END, coalesce(NEW.operator, 0), NEW.radio,
            NEW.municipality_id, NEW.received_at, NEW.received_at)
    ON CONFLICT (unit_id, slot, operator, radio) DO UPDATE SET last_seen = excluded.last_seen
    WHERE b.last_seen < excluded.last_seen - interval '6 hours';
    RETURN NULL;
END $$;
CREATE TRIGGER bearer_seen AFTER INSERT ON readings FOR EACH ROW
    WHEN (NEW.radio BETWEEN 1 AND 7 AND NEW.bearer BETWEEN 1 AND 4
          AND (NEW.bearer < 3 OR NEW.operator BETWEEN 1 AND 999999))
    EXECUTE FUNCTION livlina_bearer_seen();

-- A test that went the whole way proves the bearer that its unit was on: the one that this SIM was last seen on.
CREATE FUNCTION livlina_bearer_proven() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE unit_bearers b SET proven_at = NEW.at,
        proven_with = (SELECT s.modem FROM unit_states s WHERE s.unit_id = NEW.unit_id)
    FROM (SELECT o.unit_id, o.slot, o.operator, o.radio FROM unit_bearers o
          WHERE o.unit_id = NEW.unit_id AND o.slot = CASE NEW.bearer WHEN 3 THEN 1 WHEN 4 THEN 2 ELSE 0 END
            AND o.first_seen <= NEW.at
          ORDER BY o.last_seen DESC LIMIT 1) l
    WHERE (b.unit_id, b.slot, b.operator, b.radio) = (l.unit_id, l.slot, l.operator, l.radio)
      AND (b.proven_at IS NULL OR b.proven_at < NEW.at);
    RETURN NULL;
END $$;
CREATE TRIGGER bearer_proven AFTER INSERT ON button_proofs FOR EACH ROW
    WHEN (NEW.bearer BETWEEN 1 AND 4) EXECUTE FUNCTION livlina_bearer_proven();

-- The calendar's changes, beside the rows that are shipped: the newest of an operator, technology and region holds.
-- Never changed, never deleted. Municipality 0: it is the same for all.
CREATE TABLE sunset_changes (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    operator text NOT NULL CHECK (operator <> ''),
    technology text NOT NULL CHECK (technology <> ''),
    region text NOT NULL CHECK (region ~ '^[A-Z]{2}$'),
    last_day date NOT NULL,
    source text NOT NULL CHECK (source <> ''),
    actor text NOT NULL CHECK (actor <> ''),
    at timestamptz NOT NULL
);

-- What a modem answered when it was asked for the technologies that it can do.
CREATE TABLE modem_answers (
    unit_id bigint PRIMARY KEY REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    technologies text[] NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    at timestamptz NOT NULL
);

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['unit_bearers', 'sunset_changes', 'modem_answers'] LOOP
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
CREATE POLICY shared ON sunset_changes FOR SELECT TO livlina_web USING (municipality_id = 0);

GRANT SELECT, INSERT ON unit_bearers TO livlina_ingest;
GRANT UPDATE (last_seen) ON unit_bearers TO livlina_ingest;
GRANT SELECT ON unit_bearers, unit_states TO livlina_forward;
GRANT UPDATE (proven_at, proven_with) ON unit_bearers TO livlina_forward;
GRANT SELECT ON unit_bearers, sunset_changes, modem_answers TO livlina_registry, livlina_web;
GRANT INSERT ON sunset_changes TO livlina_registry;
GRANT INSERT, UPDATE ON modem_answers TO livlina_registry;
-- The command line opens the tasks of persons whose unit has lost its networks.
GRANT INSERT ON technician_tasks TO livlina_registry;
GRANT UPDATE (detail, reports, last_at) ON technician_tasks TO livlina_registry;
