-- Units with their life, recipients with person data in a sealed part, pairing with proof, search sessions of trackers.
-- Rules as in 0001: the municipality on every row, row level security forced, a duty holds what it needs.
-- Additive: the release before registers units that are `made` and knows nothing of a life.

-- Units -------------------------------------------------------------------------------------------------------------

-- fleet/registry/life.py decides which change follows from which state. `grounds` is why somebody may rely on the unit:
-- pairing:ID, or import:... for a fleet that was in use before. Being revoked (`state`) is beside it.
ALTER TABLE units
    ADD COLUMN life text NOT NULL DEFAULT 'made' CHECK (life IN ('made', 'in_stock', 'assigned', 'pairing', 'active',
        'absent', 'replaced', 'returned', 'cleaned', 'retired')),
    ADD COLUMN life_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN life_until timestamptz,
    ADD COLUMN grounds text,
    ADD COLUMN board text CHECK (board <> ''),
    ADD COLUMN modem text CHECK (modem <> ''),
    ADD COLUMN owner text CHECK (owner <> ''),
    ADD COLUMN revoked_at timestamptz,
    ADD CONSTRAINT units_absence_ends CHECK ((life = 'absent') = (life_until IS NOT NULL)),
    ADD CONSTRAINT units_relied_on_with_grounds CHECK (life NOT IN ('active', 'absent') OR grounds IS NOT NULL);
-- Units of the release before were put into use without a pairing: that is what their grounds say.
UPDATE units SET life = 'active', grounds = 'release:before' WHERE state = 'active';
UPDATE units SET life = 'retired', revoked_at = now() WHERE state = 'revoked';

-- Grounds end with what they are grounds for; whoever may change a life may not write them.
CREATE FUNCTION livlina_grounds_end() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    NEW.grounds := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER grounds_end BEFORE UPDATE OF life ON units FOR EACH ROW
    WHEN (NEW.life NOT IN ('active', 'absent', 'replaced', 'returned')) EXECUTE FUNCTION livlina_grounds_end();

-- Lists page by number, of one municipality or one state; without these a rare state reads the whole fleet.
CREATE INDEX units_by_place ON units (municipality_id, unit_id);
CREATE INDEX units_by_life ON units (life, unit_id);
CREATE INDEX units_absent_until ON units (life_until) WHERE life = 'absent';

CREATE TABLE unit_sims (
    unit_id bigint NOT NULL REFERENCES units,
    slot int NOT NULL CHECK (slot IN (1, 2)),
    municipality_id int NOT NULL REFERENCES municipalities,
    iccid text NOT NULL CHECK (iccid ~ '^[0-9]{18,20}$'),
    issuer text NOT NULL DEFAULT '',
    PRIMARY KEY (unit_id, slot)
);
CREATE INDEX unit_sims_by_iccid ON unit_sims (iccid);

-- The buttons of a unit: 0 is its own, the others are pendants and cords. Pairing asks for each of them.
CREATE TABLE unit_inputs (
    unit_id bigint NOT NULL REFERENCES units,
    input int NOT NULL CHECK (input BETWEEN 0 AND 255),
    municipality_id int NOT NULL REFERENCES municipalities,
    kind text NOT NULL CHECK (kind IN ('own', 'pendant', 'cord')),
    serial text CHECK (serial <> ''),
    PRIMARY KEY (unit_id, input),
    CHECK ((input = 0) = (kind = 'own'))
);

-- Every change of a unit's life. It never names a recipient: it stays when person data go.
CREATE TABLE unit_life_log (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit_id bigint NOT NULL REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    at timestamptz NOT NULL,
    event text NOT NULL,
    was text NOT NULL,
    became text NOT NULL,
    until timestamptz,
    actor text NOT NULL
);
CREATE INDEX unit_life_log_by_unit ON unit_life_log (unit_id, entry_id);

-- Recipients --------------------------------------------------------------------------------------------------------

-- A reference to the care system. Whoever reads this table learns no name and no address.
CREATE TABLE care_recipients (
    recipient_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    reference text NOT NULL CHECK (reference ~ '^[A-Z0-9]([A-Z0-9-]{0,30}[A-Z0-9])?$'),
    priority int NOT NULL CHECK (priority BETWEEN 1 AND 5),
    district text NOT NULL DEFAULT '',
    protected boolean NOT NULL DEFAULT false,
    made_at timestamptz NOT NULL,
    ended_at timestamptz,
    UNIQUE (municipality_id, reference)
);
CREATE INDEX care_recipients_by_reference ON care_recipients (reference text_pattern_ops, recipient_id);
CREATE INDEX care_recipients_by_district ON care_recipients (municipality_id, district, recipient_id);

-- Name, address, key-access note and contacts, sealed under a key outside the database.
CREATE TABLE care_persons (
    recipient_id bigint PRIMARY KEY REFERENCES care_recipients,
    municipality_id int NOT NULL REFERENCES municipalities,
    sealed bytea NOT NULL,
    sealed_at timestamptz NOT NULL
);

-- Who may see a protected person's address, by name (person:ID).
CREATE TABLE protected_staff (
    recipient_id bigint NOT NULL REFERENCES care_recipients,
    person text NOT NULL CHECK (person ~ '^person:[0-9]+$'),
    municipality_id int NOT NULL REFERENCES municipalities,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (recipient_id, person)
);

-- Each look into the sealed part, and each change of it. `transaction_id` is the database's own: the row of
-- care_persons can be read in the transaction that wrote this and in no other.
CREATE TABLE recipient_openings (
    opening_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    recipient_id bigint NOT NULL REFERENCES care_recipients,
    actor text NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('case', 'break_glass', 'write')),
    case_id bigint REFERENCES cases,
    reason text,
    seen_at timestamptz,
    seen_by text,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CHECK ((kind = 'case') = (case_id IS NOT NULL)),
    CHECK ((kind = 'break_glass') = (reason IS NOT NULL))
);
CREATE INDEX recipient_openings_by_recipient ON recipient_openings (recipient_id, opening_id);
CREATE INDEX recipient_openings_unseen ON recipient_openings (municipality_id, opening_id) WHERE seen_at IS NULL;

-- Who has which unit. A wipe deletes the rows of a unit; its life log stays.
CREATE TABLE unit_recipients (
    unit_id bigint NOT NULL REFERENCES units,
    recipient_id bigint NOT NULL REFERENCES care_recipients,
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_type text NOT NULL,
    role text NOT NULL CHECK (role IN ('planned', 'responsible', 'former')),
    since timestamptz NOT NULL,
    until timestamptz,
    PRIMARY KEY (unit_id, recipient_id, since),
    CHECK ((role = 'former') = (until IS NOT NULL))
);
CREATE UNIQUE INDEX unit_recipients_one_a_unit ON unit_recipients (unit_id) WHERE until IS NULL;
CREATE UNIQUE INDEX unit_recipients_one_responsible ON unit_recipients (recipient_id, unit_type)
    WHERE role = 'responsible';
CREATE INDEX unit_recipients_by_recipient ON unit_recipients (recipient_id);

-- Pairing -----------------------------------------------------------------------------------------------------------

-- fleet/pairing/decide.py owns `steps`. The client's key makes a request that is sent twice one pairing.
CREATE TABLE pairings (
    pairing_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    client_key uuid NOT NULL,
    unit_id bigint NOT NULL REFERENCES units,
    unit_type text NOT NULL,
    recipient_id bigint REFERENCES care_recipients,
    old_unit_id bigint REFERENCES units,
    state text NOT NULL CHECK (state IN ('open', 'active', 'abandoned')),
    steps jsonb NOT NULL,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text,
    end_reason text,
    proof text UNIQUE,
    fee_from date,
    UNIQUE (municipality_id, client_key),
    CHECK ((state = 'open') = (ended_at IS NULL)),
    CHECK ((state = 'active') = (proof IS NOT NULL AND fee_from IS NOT NULL))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX pairings_one_a_unit ON pairings (unit_id) WHERE state = 'open';
CREATE UNIQUE INDEX pairings_one_a_recipient ON pairings (recipient_id, unit_type) WHERE state = 'open';
CREATE INDEX pairings_of_unit ON pairings (unit_id, pairing_id);
CREATE INDEX pairings_of_recipient ON pairings (recipient_id, pairing_id);

-- Trackers ----------------------------------------------------------------------------------------------------------

-- A search for a wearer: for a case, with a reason and what he or those near him have agreed to, for so long.
CREATE TABLE search_sessions (
    search_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_id bigint NOT NULL REFERENCES units,
    case_id bigint NOT NULL REFERENCES cases,
    reason text NOT NULL CHECK (reason <> ''),
    consent text NOT NULL CHECK (consent <> ''),
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text,
    purged_at timestamptz,
    CHECK (ends_at > started_at AND ends_at <= started_at + interval '24 hours')
);
CREATE UNIQUE INDEX search_sessions_one_a_unit ON search_sessions (unit_id) WHERE ended_at IS NULL;
CREATE INDEX search_sessions_to_purge ON search_sessions (ends_at) WHERE purged_at IS NULL;

-- Where a tracker was while its wearer was searched for. Deleted after the search; nothing else keeps it.
CREATE TABLE search_positions (
    unit_id bigint NOT NULL REFERENCES units,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    municipality_id int NOT NULL REFERENCES municipalities,
    search_id bigint NOT NULL REFERENCES search_sessions,
    received_at timestamptz NOT NULL,
    age_s bigint,
    data bytea NOT NULL,
    PRIMARY KEY (unit_id, boot, seq)
);
CREATE INDEX search_positions_by_search ON search_positions (search_id, received_at);

-- The record of events (append-only) never holds a tracker's position, only that it reported one.
CREATE FUNCTION livlina_position_apart() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM units u WHERE u.unit_id = NEW.unit_id AND u.unit_type = 'tracker') THEN
        INSERT INTO search_positions (unit_id, boot, seq, municipality_id, search_id, received_at, age_s, data)
        SELECT NEW.unit_id, NEW.boot, NEW.seq, s.municipality_id, s.search_id, NEW.received_at, NEW.age_s, NEW.data
        FROM search_sessions s
        WHERE s.unit_id = NEW.unit_id AND s.ended_at IS NULL AND NEW.received_at >= s.started_at
          AND NEW.received_at < s.ends_at AND NEW.data IS NOT NULL
        ON CONFLICT (unit_id, boot, seq) DO NOTHING;
        NEW.data := NULL;
        NEW.raw := '';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER position_apart BEFORE INSERT ON unit_events FOR EACH ROW
    WHEN (NEW.kind = 1) EXECUTE FUNCTION livlina_position_apart();

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['unit_sims', 'unit_inputs', 'unit_life_log', 'care_recipients', 'care_persons',
                             'protected_staff', 'recipient_openings', 'unit_recipients', 'pairings',
                             'search_sessions', 'search_positions'] LOOP
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

-- The sealed part: only in a transaction that has said why, and of a protected person only by named staff for a case.
CREATE POLICY opened ON care_persons AS RESTRICTIVE TO livlina_web USING (
    EXISTS (SELECT 1 FROM recipient_openings o JOIN care_recipients r USING (recipient_id)
            WHERE o.recipient_id = care_persons.recipient_id AND o.transaction_id = pg_current_xact_id_if_assigned()
              AND (o.kind = 'write' OR NOT r.protected
                   OR o.kind = 'case' AND EXISTS (SELECT 1 FROM protected_staff s
                                                  WHERE s.recipient_id = o.recipient_id AND s.person = o.actor))))
    WITH CHECK (true);
-- An opening for a case needs a case that is open, of a unit that this recipient has.
CREATE POLICY for_a_case ON recipient_openings AS RESTRICTIVE FOR INSERT TO livlina_web WITH CHECK (
    kind <> 'case'
    OR EXISTS (SELECT 1 FROM cases c JOIN unit_recipients l USING (unit_id)
               WHERE c.case_id = recipient_openings.case_id AND c.state <> 'closed'
                 AND l.recipient_id = recipient_openings.recipient_id));
-- Positions: while the search runs, and not a moment longer.
CREATE POLICY searched ON search_positions AS RESTRICTIVE FOR SELECT TO livlina_web USING (
    EXISTS (SELECT 1 FROM search_sessions s
            WHERE s.search_id = search_positions.search_id AND s.ended_at IS NULL AND s.ends_at > now()));

GRANT SELECT, INSERT, UPDATE, DELETE ON unit_sims, unit_inputs, unit_recipients, protected_staff TO livlina_registry;
GRANT SELECT, INSERT, UPDATE ON care_recipients, care_persons, pairings, search_sessions TO livlina_registry;
GRANT DELETE ON care_persons TO livlina_registry;
GRANT SELECT, INSERT ON unit_life_log, recipient_openings TO livlina_registry;
GRANT SELECT, DELETE ON search_positions TO livlina_registry;

GRANT SELECT ON search_sessions TO livlina_ingest;
GRANT SELECT, INSERT ON search_positions TO livlina_ingest;

GRANT SELECT ON unit_sims, unit_inputs, unit_life_log, care_recipients, care_persons, protected_staff,
    recipient_openings, unit_recipients, pairings, search_sessions, search_positions TO livlina_web;
GRANT UPDATE (life, life_at, life_until, state, revoked_at) ON units TO livlina_web;
GRANT UPDATE (revoked_at) ON unit_certificates TO livlina_web;
GRANT SELECT (unit_id, municipality_id, revoked_at) ON unit_certificates TO livlina_web;
GRANT INSERT ON unit_life_log TO livlina_web;
GRANT INSERT, UPDATE ON care_recipients, care_persons, search_sessions TO livlina_web;
-- Neither proof nor fee_from: no page can make a pairing active.
GRANT INSERT (municipality_id, client_key, unit_id, unit_type, recipient_id, old_unit_id, state, steps, started_by,
              started_at, changed_at) ON pairings TO livlina_web;
GRANT UPDATE (recipient_id, state, steps, changed_at, ended_at, ended_by, end_reason) ON pairings TO livlina_web;
GRANT INSERT (municipality_id, recipient_id, actor, at, kind, case_id, reason) ON recipient_openings TO livlina_web;
GRANT UPDATE (seen_at, seen_by) ON recipient_openings TO livlina_web;
GRANT INSERT, DELETE ON protected_staff TO livlina_web;
GRANT INSERT, UPDATE, DELETE ON unit_recipients, unit_inputs, unit_sims TO livlina_web;
