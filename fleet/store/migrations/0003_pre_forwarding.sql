-- Forwarding with two centres, routines, messages to people, escalation, and proofs of buttons.
-- Additive: the release before goes on working. It knows neither secondary centres nor withdrawn rows, so until it has
-- gone it may tell a centre what another one has been told already; it loses nothing.

-- Centres and where alarms go ---------------------------------------------------------------------------------------

ALTER TABLE centres DROP CONSTRAINT centres_protocol_check;
ALTER TABLE centres ADD CONSTRAINT centres_protocol_check
    CHECK (protocol IN ('dc09', 'scaip', 'sos_access', 'webhook', 'jsonl'));
-- How this centre says that a person has taken an alarm; 'none' ends escalation by human receipt for what it accepts.
ALTER TABLE centres ADD COLUMN reports_taken text NOT NULL DEFAULT 'console'
    CHECK (reports_taken IN ('console', 'webhook', 'protocol', 'none'));
-- What its protocol needs besides host and port. Never a secret.
ALTER TABLE centres ADD COLUMN options jsonb NOT NULL DEFAULT '{}';

-- The state of a centre as the fleet sees it (fleet/forwarding/decide.py). No row means good.
CREATE TABLE centre_health (
    centre_id int PRIMARY KEY REFERENCES centres,
    municipality_id int NOT NULL REFERENCES municipalities,
    state text NOT NULL CHECK (state IN ('good', 'doubted', 'down', 'probing', 'failing_back')),
    since timestamptz NOT NULL,
    doubts int NOT NULL DEFAULT 0,
    doubted_at timestamptz,
    good_probes int NOT NULL DEFAULT 0,
    probe_at timestamptz NOT NULL,
    probe_set_at timestamptz NOT NULL,
    last_outcome text
);

-- Primary (rank 1) and secondary (2) centre of a type of unit, dated. Where there is none, `routes` holds.
CREATE TABLE type_routes (
    municipality_id int NOT NULL REFERENCES municipalities,
    unit_type text NOT NULL CHECK (unit_type IN ('any', 'social', 'personal', 'tracker', 'camera', 'technical')),
    rank int NOT NULL CHECK (rank IN (1, 2)),
    valid_from timestamptz NOT NULL,
    centre_id int NOT NULL REFERENCES centres,
    PRIMARY KEY (municipality_id, unit_type, rank, valid_from)
);

CREATE FUNCTION livlina_route(municipality int, type_of_unit text, wanted_rank int, moment timestamptz) RETURNS int
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT coalesce(
        (SELECT t.centre_id FROM type_routes t
         WHERE t.municipality_id = municipality AND t.unit_type IN (type_of_unit, 'any') AND t.rank = wanted_rank
           AND t.valid_from <= moment
         ORDER BY t.unit_type = 'any', t.valid_from DESC LIMIT 1),
        (SELECT r.centre_id FROM routes r WHERE r.municipality_id = municipality AND r.rank = wanted_rank))
    $$;

-- The centre that stands in for another one; NULL where there is none.
CREATE FUNCTION livlina_other_centre(municipality int, type_of_unit text, moment timestamptz, centre int) RETURNS int
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT nullif(CASE WHEN livlina_route(municipality, type_of_unit, 1, moment) IS DISTINCT FROM centre
                       THEN livlina_route(municipality, type_of_unit, 1, moment)
                       ELSE livlina_route(municipality, type_of_unit, 2, moment) END, centre)
    $$;

-- Cases and the outbox ----------------------------------------------------------------------------------------------

ALTER TABLE cases
    ADD COLUMN test boolean NOT NULL DEFAULT false,
    ADD COLUMN responsible text,
    ADD COLUMN responsible_centre int REFERENCES centres,
    ADD COLUMN reports_taken text,
    ADD COLUMN escalated_place int,
    ADD COLUMN routine_id bigint,
    ADD COLUMN routine_at timestamptz;

ALTER TABLE outbox
    ADD COLUMN test boolean NOT NULL DEFAULT false,
    ADD COLUMN withdrawn_at timestamptz,
    ADD COLUMN reason text NOT NULL DEFAULT 'route' CHECK (reason IN ('route', 'failover', 'escalation'));
CREATE INDEX outbox_due ON outbox (centre_id, test, outbox_id) WHERE delivered_at IS NULL AND withdrawn_at IS NULL;

ALTER TABLE case_log DROP CONSTRAINT case_log_change_check;
ALTER TABLE case_log ADD CONSTRAINT case_log_change_check CHECK (change IN (
    'opened', 'repeated', 'accepted', 'refused', 'taken', 'closed',
    'tested', 'moved', 'escalated', 'told', 'stuck', 'released', 'fresh'));

-- When a case has to be looked at again if nobody has taken it: a row, so that it outlives every process.
CREATE TABLE case_timers (
    case_id bigint PRIMARY KEY REFERENCES cases,
    municipality_id int NOT NULL REFERENCES municipalities,
    started_at timestamptz NOT NULL,
    place int NOT NULL,
    round int NOT NULL DEFAULT 0,
    repeats int NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    set_at timestamptz NOT NULL,
    ended_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX case_timers_due ON case_timers (due_at) WHERE ended_at IS NULL;

-- A test press that went the whole way: which button, over which bearer, when.
CREATE TABLE button_proofs (
    unit_id bigint NOT NULL REFERENCES units,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    municipality_id int NOT NULL REFERENCES municipalities,
    input int NOT NULL,
    bearer int,
    at timestamptz NOT NULL,
    centre_id int NOT NULL REFERENCES centres,
    PRIMARY KEY (unit_id, boot, seq)
);
CREATE INDEX button_proofs_newest ON button_proofs (unit_id, input, at DESC);

-- Routines ----------------------------------------------------------------------------------------------------------

-- Somebody who can be told: a telephone number, an address, a centre. Municipality 0 is shared by all.
CREATE TABLE recipients (
    recipient_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    name text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'centre')),
    address text NOT NULL,
    centre_id int REFERENCES centres,
    language text NOT NULL DEFAULT 'sv' CHECK (language IN ('sv', 'en')),
    UNIQUE (municipality_id, name),
    CHECK ((channel = 'centre') = (centre_id IS NOT NULL))
);

CREATE TABLE roles (
    role_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    name text NOT NULL,
    zone text NOT NULL DEFAULT 'Europe/Stockholm',
    UNIQUE (municipality_id, name)
);

-- Who holds a role, from when, at which minutes of the week (0 is Monday 00:00). All rows of one valid_from are one
-- version of the role: a new guard company is one row.
CREATE TABLE role_holders (
    role_id int NOT NULL REFERENCES roles,
    valid_from timestamptz NOT NULL,
    starts_minute int NOT NULL DEFAULT 0 CHECK (starts_minute BETWEEN 0 AND 10079),
    ends_minute int NOT NULL DEFAULT 10080 CHECK (ends_minute BETWEEN 1 AND 10080),
    place int NOT NULL DEFAULT 1,
    municipality_id int NOT NULL REFERENCES municipalities,
    recipient_id int NOT NULL REFERENCES recipients,
    PRIMARY KEY (role_id, valid_from, starts_minute, place),
    CHECK (starts_minute < ends_minute)
);

CREATE TABLE office_hours (
    municipality_id int NOT NULL REFERENCES municipalities,
    valid_from timestamptz NOT NULL,
    starts_minute int NOT NULL CHECK (starts_minute BETWEEN 0 AND 10079),
    ends_minute int NOT NULL CHECK (ends_minute BETWEEN 1 AND 10080),
    PRIMARY KEY (municipality_id, valid_from, starts_minute),
    CHECK (starts_minute < ends_minute)
);

-- One version of a routine. priority 0 is any. steps: see fleet/routines/README.md.
CREATE TABLE routines (
    routine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    name text NOT NULL,
    unit_type text NOT NULL CHECK (unit_type IN ('any', 'social', 'personal', 'tracker', 'camera', 'technical')),
    priority int NOT NULL CHECK (priority BETWEEN 0 AND 9),
    hours text NOT NULL CHECK (hours IN ('any', 'office', 'on_call')),
    starts_minute int NOT NULL DEFAULT 0 CHECK (starts_minute BETWEEN 0 AND 10079),
    ends_minute int NOT NULL DEFAULT 10080 CHECK (ends_minute BETWEEN 1 AND 10080),
    zone text NOT NULL DEFAULT 'Europe/Stockholm',
    valid_from timestamptz NOT NULL,
    steps jsonb NOT NULL,
    made_at timestamptz NOT NULL,
    UNIQUE (municipality_id, unit_type, priority, hours, starts_minute, ends_minute, valid_from),
    CHECK (starts_minute < ends_minute)
);
ALTER TABLE cases ADD FOREIGN KEY (routine_id) REFERENCES routines;

-- A message to one person about one case. The words are made when it is sent; no personal data stand here or there.
CREATE TABLE notices (
    notice_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    case_id bigint NOT NULL REFERENCES cases,
    round int NOT NULL,
    place int NOT NULL,
    recipient_id int NOT NULL REFERENCES recipients,
    who text NOT NULL,
    parts text[] NOT NULL,
    zone text NOT NULL,
    queued_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    claimed_until timestamptz,
    delivered_at timestamptz,
    withdrawn_at timestamptz,
    last_outcome text,
    UNIQUE (case_id, round, recipient_id)
) WITH (fillfactor = 70);
CREATE INDEX notices_due ON notices (notice_id) WHERE delivered_at IS NULL AND withdrawn_at IS NULL;

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['centre_health', 'type_routes', 'case_timers', 'button_proofs', 'recipients', 'roles',
                             'role_holders', 'office_hours', 'routines', 'notices'] LOOP
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

GRANT SELECT, INSERT ON type_routes, recipients, roles, role_holders, office_hours, routines TO livlina_registry;
GRANT UPDATE ON type_routes, recipients, roles, role_holders, routines TO livlina_registry;
GRANT SELECT ON centre_health, case_timers, button_proofs, notices TO livlina_registry;

GRANT SELECT ON type_routes, centre_health TO livlina_ingest;
GRANT SELECT, INSERT, UPDATE ON case_timers TO livlina_ingest;
GRANT UPDATE (marks) ON presses TO livlina_ingest;

GRANT SELECT ON type_routes, recipients, roles, role_holders, office_hours, routines TO livlina_forward;
GRANT SELECT, INSERT, UPDATE ON centre_health, notices TO livlina_forward;
GRANT SELECT, UPDATE ON case_timers TO livlina_forward;
GRANT SELECT, INSERT ON button_proofs TO livlina_forward;
GRANT INSERT ON outbox TO livlina_forward;
GRANT UPDATE (withdrawn_at, reason, queued_at) ON outbox TO livlina_forward;
GRANT UPDATE (state, taken_at, taken_by, closed_at, closed_by, outcome, responsible, responsible_centre, reports_taken,
              escalated_place, routine_id, routine_at) ON cases TO livlina_forward;
GRANT UPDATE (taken_at) ON presses TO livlina_forward;

GRANT UPDATE (responsible) ON cases TO livlina_web;
GRANT SELECT ON button_proofs, notices TO livlina_web;
