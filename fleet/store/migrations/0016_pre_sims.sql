-- SIM cards, their providers and what is asked of them; the paths that units were seen on; who shares a radio network;
-- SIM policies and their staged changes; drills of spare paths. Rules as in 0001. Additive.

-- Inventory ---------------------------------------------------------------------------------------------------------

-- secret: AES-256-GCM under a key that the database never sees, bound to the provider's number.
CREATE TABLE sim_providers (
    provider_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('emnify', 'onence', 'rest')),
    url text NOT NULL CHECK (url ~ '^https?://'),
    options jsonb NOT NULL DEFAULT '{}',
    made_at timestamptz NOT NULL,
    removed_at timestamptz
);
CREATE TABLE sim_provider_secrets (
    provider_id int PRIMARY KEY REFERENCES sim_providers,
    municipality_id int NOT NULL REFERENCES municipalities,
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL
);

-- iccid has its check digit, and the check digit is right (fleet/connectivity/decide.py). `operator` is the SIM's home
-- operator, MCC and MNC as a number. `cost_ore` is hundredths of a krona a month. `state` is what was last known of it.
CREATE TABLE sims (
    iccid text PRIMARY KEY CHECK (iccid ~ '^[0-9]{18,20}$'),
    municipality_id int NOT NULL REFERENCES municipalities,
    imsi text CHECK (imsi ~ '^[0-9]{14,15}$'),
    msisdn text CHECK (msisdn ~ '^[0-9]{7,15}$'),
    issuer text NOT NULL DEFAULT '',
    operator int CHECK (operator BETWEEN 1 AND 999999),
    plan text NOT NULL DEFAULT '',
    cost_ore int CHECK (cost_ore >= 0),
    state text NOT NULL DEFAULT 'unknown'
        CHECK (state IN ('unknown', 'stock', 'test', 'active', 'suspended', 'ended')),
    state_at timestamptz,
    imei_lock text CHECK (imei_lock ~ '^[0-9]{14,16}$'),
    provider_id int REFERENCES sim_providers,
    provider_ref text,
    made_at timestamptz NOT NULL
);
CREATE INDEX sims_by_issuer ON sims (issuer);
CREATE INDEX sims_by_provider ON sims (provider_id, iccid);

-- What is asked of a provider. `action_key` makes a request that is given twice one action. `accepted` means that the
-- provider took it; `done` that its view of the SIM shows it; `unclear` that nobody knows whether it went out.
CREATE TABLE sim_actions (
    action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    action_key text NOT NULL,
    iccid text NOT NULL REFERENCES sims,
    action text NOT NULL CHECK (action IN ('activate', 'suspend', 'reset', 'limit')),
    amount bigint CHECK (amount > 0),
    actor text NOT NULL,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sending', 'accepted', 'done', 'refused', 'failed', 'unclear')),
    attempts int NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    claimed_until timestamptz,
    queued_at timestamptz NOT NULL,
    settled_at timestamptz,
    why text,
    UNIQUE (municipality_id, action_key),
    CHECK ((action = 'limit') = (amount IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX sim_actions_owed ON sim_actions (next_try_at) WHERE settled_at IS NULL;

-- Paths -------------------------------------------------------------------------------------------------------------

-- slot 0 is what needs no SIM (Wi-Fi, Ethernet), then `operator` is 0. `cell` and `tac` are where it was last seen,
-- `iccid` the SIM that was in the slot then: another SIM begins anew. Proven: an alarm or the unit's own proof of the
-- spare SIM has gone the whole way on it.
CREATE TABLE unit_paths (
    unit_id bigint NOT NULL REFERENCES units,
    slot int NOT NULL CHECK (slot BETWEEN 0 AND 2),
    operator int NOT NULL CHECK (operator BETWEEN 0 AND 999999),
    radio int NOT NULL,
    municipality_id int NOT NULL REFERENCES municipalities,
    iccid text,
    cell bigint,
    tac int,
    first_seen_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    proven_at timestamptz,
    proof text,
    PRIMARY KEY (unit_id, slot, operator, radio),
    CHECK ((proven_at IS NULL) = (proof IS NULL)),
    CHECK ((slot = 0) = (operator = 0))
) WITH (fillfactor = 70);
CREATE INDEX unit_paths_by_operator ON unit_paths (operator, radio);

-- Which radio network an operator's subscribers are on. radio 0: whatever is not named. An operator without a row has
-- a network of its own. Rows of municipality 0 hold everywhere.
CREATE TABLE radio_networks (
    operator int NOT NULL CHECK (operator BETWEEN 1 AND 999999),
    radio int NOT NULL DEFAULT 0,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    name text NOT NULL CHECK (name <> ''),
    network text NOT NULL CHECK (network <> ''),
    source text NOT NULL CHECK (source <> ''),
    PRIMARY KEY (operator, radio)
);
INSERT INTO radio_networks (operator, name, network, source) VALUES
    (24001, 'Telia', 'Telia', 'ITU-T E.212 list of mobile network codes; operatorwatch.com 2021: Telia runs its own 4G'),
    (24002, 'Tre', 'Tre', 'ITU-T E.212 list of mobile network codes; operatorwatch.com 2021: Tre runs its own 4G'),
    (24007, 'Tele2', 'Net4Mobility', 'ITU-T E.212; tele2.se, commsupdate.com: 4G and 2G shared with Telenor'),
    (24008, 'Telenor', 'Net4Mobility', 'ITU-T E.212; tele2.se, commsupdate.com: 4G and 2G shared with Tele2'),
    (24024, 'Net4Mobility', 'Net4Mobility', 'ITU-T E.212: the code of the shared network itself');

-- Policies ----------------------------------------------------------------------------------------------------------

-- `stages` are per cent of the units, growing; `policy` is what fleet/connectivity/policy.py understands.
CREATE TABLE policy_changes (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    policy jsonb NOT NULL,
    stages int[] NOT NULL,
    soak_s int NOT NULL CHECK (soak_s >= 0),
    most_failed int NOT NULL CHECK (most_failed >= 0),
    within_s int NOT NULL CHECK (within_s > 0),
    stage int NOT NULL DEFAULT 0,
    stage_at timestamptz,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'stopped', 'done')),
    actor text NOT NULL,
    made_at timestamptz NOT NULL,
    ended_at timestamptz,
    why text
);

-- One row a unit. `reported`: it has answered that it holds the policy. `done`: and its test on the preferred SIM has
-- come since.
CREATE TABLE policy_change_units (
    change_id bigint NOT NULL REFERENCES policy_changes,
    unit_id bigint NOT NULL REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    stage int NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'ordered', 'reported', 'done', 'failed')),
    number bigint,
    ordered_at timestamptz,
    reported_at timestamptz,
    settled_at timestamptz,
    why text,
    PRIMARY KEY (change_id, unit_id)
) WITH (fillfactor = 70);
CREATE INDEX policy_change_units_open ON policy_change_units (change_id, stage) WHERE settled_at IS NULL;

-- A drill takes a sample of what a what-if has said would survive, and moves it to its spare SIM.
CREATE TABLE path_drills (
    drill_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    failure text NOT NULL,
    seed bigint NOT NULL,
    predicted int NOT NULL,
    actor text NOT NULL,
    made_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE TABLE path_drill_units (
    drill_id bigint NOT NULL REFERENCES path_drills,
    unit_id bigint NOT NULL REFERENCES units,
    municipality_id int NOT NULL REFERENCES municipalities,
    slot int NOT NULL CHECK (slot IN (1, 2)),
    number bigint NOT NULL,
    PRIMARY KEY (drill_id, unit_id)
);

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['sim_providers', 'sim_provider_secrets', 'sims', 'sim_actions', 'unit_paths',
                             'radio_networks', 'policy_changes', 'policy_change_units', 'path_drills',
                             'path_drill_units'] LOOP
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
CREATE POLICY everywhere ON radio_networks FOR SELECT TO livlina_web USING (municipality_id = 0);

GRANT SELECT, INSERT, UPDATE ON sim_providers, sims, policy_changes, policy_change_units TO livlina_registry;
GRANT SELECT, INSERT ON sim_actions, path_drills, path_drill_units TO livlina_registry;
GRANT SELECT, INSERT, UPDATE, DELETE ON radio_networks TO livlina_registry;
GRANT SELECT ON unit_paths TO livlina_registry;
-- The registry writes a provider's secret and cannot read it; the duty that calls providers reads it. No page may.
GRANT SELECT (provider_id, municipality_id, made_at), INSERT, UPDATE, DELETE ON sim_provider_secrets TO livlina_registry;
GRANT SELECT ON sim_provider_secrets, sim_providers, sims TO livlina_forward;
GRANT SELECT, UPDATE ON sim_actions TO livlina_forward;
GRANT INSERT ON sims TO livlina_forward;
GRANT UPDATE (imsi, msisdn, plan, state, state_at, imei_lock, provider_ref) ON sims TO livlina_forward;

GRANT SELECT, INSERT, UPDATE ON unit_paths TO livlina_ingest;
GRANT SELECT ON sims, radio_networks TO livlina_ingest;
GRANT SELECT, UPDATE ON policy_changes, policy_change_units TO livlina_ingest;
GRANT SELECT ON sim_providers, sims, sim_actions, unit_paths, radio_networks, policy_changes, policy_change_units,
    path_drills, path_drill_units TO livlina_web;
