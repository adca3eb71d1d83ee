-- Alarm centres and the services that municipalities choose from them; people, roles, ways to sign in, tokens.
-- Additive: the release before goes on signing in people by `users`, and sees the municipalities that stand there.
-- Rules as in 0001. `users` holds people; its name and the columns `role` and `municipalities` are the release before's.

-- Tenancy -----------------------------------------------------------------------------------------------------------

ALTER TABLE municipalities ADD COLUMN zone text NOT NULL DEFAULT 'Europe/Stockholm';

CREATE TABLE districts (
    district_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    name text NOT NULL,
    UNIQUE (municipality_id, name),
    UNIQUE (municipality_id, district_id)
);

-- An organisation with people at consoles. `centres` are the addresses that alarms are sent to; one may be its door.
CREATE TABLE alarm_centres (
    alarm_centre_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities CHECK (municipality_id = 0),
    name text NOT NULL UNIQUE
);
ALTER TABLE centres ADD COLUMN alarm_centre_id int REFERENCES alarm_centres;

-- Which centre gives a municipality which service at which hours, by the municipality's own clocks. All rows of a
-- municipality and service with one valid_from are one version.
CREATE TABLE services (
    municipality_id int NOT NULL REFERENCES municipalities,
    service text NOT NULL
        CHECK (service IN ('alarm_reception', 'camera_supervision', 'technicians', 'on_call', 'search')),
    valid_from timestamptz NOT NULL,
    alarm_centre_id int NOT NULL REFERENCES alarm_centres,
    hours text NOT NULL DEFAULT 'any' CHECK (hours IN ('any', 'office', 'on_call')),
    starts_minute int NOT NULL DEFAULT 0 CHECK (starts_minute BETWEEN 0 AND 10079),
    ends_minute int NOT NULL DEFAULT 10080 CHECK (ends_minute BETWEEN 1 AND 10080),
    PRIMARY KEY (municipality_id, service, valid_from, alarm_centre_id, hours, starts_minute),
    CHECK (starts_minute < ends_minute)
);

-- Minute 0 is Monday 00:00 by the clocks of the zone (fleet/routines/decide.py says the same; a test compares).
CREATE FUNCTION livlina_minute_of_week(moment timestamptz, zone text) RETURNS int
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT (extract(isodow FROM moment AT TIME ZONE zone)::int - 1) * 1440
                 + extract(hour FROM moment AT TIME ZONE zone)::int * 60
                 + extract(minute FROM moment AT TIME ZONE zone)::int $$;

CREATE FUNCTION livlina_in_office(municipality int, moment timestamptz, zone text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT EXISTS (
        SELECT 1 FROM office_hours o
        WHERE (o.municipality_id, o.valid_from) = (
                  SELECT v.municipality_id, v.valid_from FROM office_hours v
                  WHERE v.municipality_id IN (0, municipality) AND v.valid_from <= moment
                  ORDER BY v.municipality_id = 0, v.valid_from DESC LIMIT 1)
          AND livlina_minute_of_week(moment, zone) >= o.starts_minute
          AND livlina_minute_of_week(moment, zone) < o.ends_minute)
    $$;

-- The door (`centres`) of the alarm centre that receives a municipality's alarms at a moment; NULL where it has none,
-- or where the plan has a gap: then the routes hold.
CREATE FUNCTION livlina_receiving_centre(municipality int, moment timestamptz) RETURNS int
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT c.centre_id
    FROM services s
    JOIN municipalities m USING (municipality_id)
    JOIN centres c ON c.alarm_centre_id = s.alarm_centre_id AND c.removed_at IS NULL
    WHERE s.municipality_id = municipality AND s.service = 'alarm_reception'
      AND s.valid_from = (SELECT max(v.valid_from) FROM services v
                          WHERE v.municipality_id = municipality AND v.service = 'alarm_reception'
                            AND v.valid_from <= moment)
      AND livlina_minute_of_week(moment, m.zone) >= s.starts_minute
      AND livlina_minute_of_week(moment, m.zone) < s.ends_minute
      AND (s.hours = 'any' OR (s.hours = 'office') = livlina_in_office(municipality, moment, m.zone))
    ORDER BY s.hours = 'any', s.ends_minute - s.starts_minute, c.centre_id
    LIMIT 1
    $$;

-- As in 0003, and before it: who receives the municipality's alarms at that hour is its primary centre, except where
-- a type of unit has a route of its own.
CREATE OR REPLACE FUNCTION livlina_route(municipality int, type_of_unit text, wanted_rank int, moment timestamptz)
    RETURNS int
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT coalesce(
        (SELECT t.centre_id FROM type_routes t
         WHERE t.municipality_id = municipality AND t.unit_type = type_of_unit AND t.rank = wanted_rank
           AND t.valid_from <= moment
         ORDER BY t.valid_from DESC LIMIT 1),
        CASE WHEN wanted_rank = 1 THEN livlina_receiving_centre(municipality, moment) END,
        (SELECT t.centre_id FROM type_routes t
         WHERE t.municipality_id = municipality AND t.unit_type = 'any' AND t.rank = wanted_rank
           AND t.valid_from <= moment
         ORDER BY t.valid_from DESC LIMIT 1),
        (SELECT r.centre_id FROM routes r WHERE r.municipality_id = municipality AND r.rank = wanted_rank))
    $$;

-- People ------------------------------------------------------------------------------------------------------------

-- municipality_id is where a person was invited (0: the installation); it gives no right. password_hash '' is none.
ALTER TABLE users
    ALTER COLUMN municipality_id SET DEFAULT 0,
    ALTER COLUMN password_hash SET DEFAULT '',
    ALTER COLUMN role SET DEFAULT 'operator',
    ALTER COLUMN municipalities SET DEFAULT '{}',
    ADD COLUMN display_name text NOT NULL DEFAULT '' CHECK (length(display_name) <= 80),
    ADD COLUMN language text NOT NULL DEFAULT 'sv' CHECK (language IN ('sv', 'en')),
    ADD COLUMN second_step boolean NOT NULL DEFAULT false,
    ADD COLUMN handle bytea NOT NULL UNIQUE DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

-- A role in one municipality (0: in all of them), or at an alarm centre: then municipality_id is 0.
CREATE TABLE person_roles (
    person_role_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id int NOT NULL REFERENCES users,
    municipality_id int NOT NULL REFERENCES municipalities,
    alarm_centre_id int REFERENCES alarm_centres,
    role text NOT NULL CHECK (role IN ('care_assistant', 'technician', 'operator', 'shift_lead', 'fleet_owner',
                                       'auditor', 'administrator')),
    granted_at timestamptz NOT NULL DEFAULT now(),
    granted_by text NOT NULL,
    CHECK (alarm_centre_id IS NULL OR municipality_id = 0),
    UNIQUE NULLS NOT DISTINCT (user_id, municipality_id, alarm_centre_id, role)
);
CREATE INDEX person_roles_by_municipality ON person_roles (municipality_id, role);

-- Whoever could log in could see alarms and close technicians' tasks. They keep both.
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
INSERT INTO person_roles (user_id, municipality_id, role, granted_by)
SELECT u.user_id, m.municipality_id, r.role, 'machine:migration'
FROM users u
JOIN municipalities m ON m.municipality_id = ANY (u.municipalities)
CROSS JOIN (VALUES ('operator'), ('technician')) r(role);
ALTER TABLE users FORCE ROW LEVEL SECURITY;

-- The release before names an operator's municipalities in `users`: what it adds or takes away there, happens here too.
CREATE FUNCTION livlina_operators_follow() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    before int[] := CASE WHEN TG_OP = 'UPDATE' THEN OLD.municipalities ELSE '{}' END;
BEGIN
    DELETE FROM person_roles
    WHERE user_id = NEW.user_id AND alarm_centre_id IS NULL AND role IN ('operator', 'technician')
      AND municipality_id = ANY (before) AND municipality_id <> ALL (NEW.municipalities);
    INSERT INTO person_roles (user_id, municipality_id, role, granted_by)
    SELECT NEW.user_id, m, r, 'machine:operator' FROM unnest(NEW.municipalities) m, unnest('{operator,technician}'::text[]) r
    WHERE m <> ALL (before)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER operators_follow AFTER INSERT OR UPDATE OF municipalities ON users
    FOR EACH ROW EXECUTE FUNCTION livlina_operators_follow();

-- Signing in --------------------------------------------------------------------------------------------------------

ALTER TABLE web_sessions
    ADD COLUMN session_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN method text NOT NULL DEFAULT 'password' CHECK (method IN ('password', 'passkey', 'oidc', 'link')),
    ADD COLUMN stepped_up_at timestamptz;

-- A credential of the person's device. Nothing here is secret: the private key never leaves the device.
CREATE TABLE passkeys (
    passkey_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    credential_id bytea NOT NULL UNIQUE,
    user_id int NOT NULL REFERENCES users,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    made_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX passkeys_by_user ON passkeys (user_id);

-- One question to a browser, answered once: a passkey's challenge, the second step of a log-in, a way to an identity
-- provider. ticket_hash is the SHA-256 of what the browser holds. user_id NULL: not known yet who answers.
CREATE TABLE sign_in_tickets (
    ticket_hash bytea PRIMARY KEY CHECK (octet_length(ticket_hash) = 32),
    purpose text NOT NULL CHECK (purpose IN ('passkey_add', 'passkey_sign_in', 'passkey_second', 'passkey_step_up',
                                             'oidc_sign_in', 'oidc_step_up', 'oidc_link')),
    user_id int REFERENCES users,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    session_hash bytea,
    provider_id int,
    challenge bytea NOT NULL,
    nonce text,
    goal text NOT NULL DEFAULT '',
    expires_at timestamptz NOT NULL
);

-- Opens once, for a person to set a password or a passkey. Only its SHA-256 is kept.
CREATE TABLE one_time_links (
    link_hash bytea PRIMARY KEY CHECK (octet_length(link_hash) = 32),
    user_id int NOT NULL REFERENCES users,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX one_time_links_by_user ON one_time_links (user_id);

-- A municipality's OpenID Connect provider. client_secret is sealed under a key that the database never sees.
CREATE TABLE identity_providers (
    provider_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    issuer text NOT NULL,
    client_id text NOT NULL,
    client_secret bytea,
    acr text[] NOT NULL DEFAULT '{}',
    scopes text NOT NULL DEFAULT 'openid',
    subject_claim text NOT NULL DEFAULT 'sub',
    made_at timestamptz NOT NULL,
    removed_at timestamptz
);
CREATE UNIQUE INDEX identity_providers_once ON identity_providers (municipality_id, issuer, client_id)
    WHERE removed_at IS NULL;
ALTER TABLE sign_in_tickets ADD FOREIGN KEY (provider_id) REFERENCES identity_providers;

-- Who of ours a provider's subject is. subject_hash is an HMAC: a subject may be a personal identity number.
CREATE TABLE identity_links (
    provider_id int NOT NULL REFERENCES identity_providers,
    subject_hash bytea NOT NULL CHECK (octet_length(subject_hash) = 32),
    user_id int NOT NULL REFERENCES users,
    municipality_id int NOT NULL REFERENCES municipalities,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (provider_id, subject_hash)
);
CREATE INDEX identity_links_by_user ON identity_links (user_id);

-- A program's key to the API. prefix is what people recognise it by.
CREATE TABLE api_tokens (
    token_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    prefix text NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    role text NOT NULL CHECK (role IN ('care_assistant', 'technician', 'operator', 'shift_lead', 'fleet_owner',
                                       'auditor', 'administrator')),
    municipalities int[] NOT NULL CHECK (cardinality(municipalities) > 0),
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    used_at timestamptz
);

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['districts', 'alarm_centres', 'services', 'person_roles', 'passkeys', 'sign_in_tickets',
                             'one_time_links', 'identity_providers', 'identity_links', 'api_tokens'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        EXECUTE format('CREATE POLICY duty ON %I TO livlina_registry, livlina_ingest, livlina_forward '
                       'USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY login ON %I TO livlina_login USING (true) WITH CHECK (true)', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['districts', 'services', 'person_roles', 'identity_providers', 'identity_links'] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I TO livlina_web '
                       'USING (municipality_id = ANY (livlina_municipalities())) '
                       'WITH CHECK (municipality_id = ANY (livlina_municipalities()))', t);
    END LOOP;
    -- What log-in has to read besides, to know which municipalities a person sees.
    FOREACH t IN ARRAY ARRAY['municipalities', 'office_hours', 'cases'] LOOP
        EXECUTE format('CREATE POLICY login ON %I FOR SELECT TO livlina_login USING (true)', t);
    END LOOP;
END $$;

-- A token is seen and made by whoever sees every municipality that it reaches.
CREATE POLICY tenant ON api_tokens TO livlina_web
    USING (municipality_id = ANY (livlina_municipalities()) AND municipalities <@ livlina_municipalities())
    WITH CHECK (municipality_id = ANY (livlina_municipalities()) AND municipalities <@ livlina_municipalities());
-- A centre that serves a municipality of the session.
CREATE POLICY serving ON alarm_centres FOR SELECT TO livlina_web USING (
    municipality_id = ANY (livlina_municipalities())
    OR EXISTS (SELECT 1 FROM services s WHERE s.alarm_centre_id = alarm_centres.alarm_centre_id));
CREATE POLICY serving ON centres FOR SELECT TO livlina_web USING (
    EXISTS (SELECT 1 FROM services s WHERE s.alarm_centre_id = centres.alarm_centre_id));
-- A person with a role in a municipality of the session. The policy `tenant` of 0001 adds whoever was invited there.
CREATE POLICY with_role ON users FOR SELECT TO livlina_web USING (
    EXISTS (SELECT 1 FROM person_roles r WHERE r.user_id = users.user_id));

-- People as pages may see them: without password, handle and what only the release before knows.
CREATE VIEW people WITH (security_invoker = true) AS
    SELECT user_id AS person_id, municipality_id, login, display_name, language, second_step, made_at, closed_at
    FROM users;

GRANT SELECT (alarm_centre_id) ON centres TO livlina_web;
GRANT SELECT ON districts, alarm_centres, services, person_roles, people TO livlina_web;
GRANT SELECT (user_id, municipality_id, login, display_name, language, second_step, made_at, closed_at)
    ON users TO livlina_web;
GRANT INSERT (user_id, municipality_id, alarm_centre_id, role, granted_at, granted_by), DELETE
    ON person_roles TO livlina_web;
GRANT INSERT (municipality_id, login, display_name, language) ON users TO livlina_web;
GRANT SELECT (token_id, municipality_id, prefix, name, role, municipalities, made_at, made_by, expires_at, revoked_at,
              used_at), INSERT, UPDATE (revoked_at) ON api_tokens TO livlina_web;
GRANT SELECT (provider_id, municipality_id, name, issuer, client_id, acr, scopes, subject_claim, made_at, removed_at)
    ON identity_providers TO livlina_web;

GRANT SELECT, INSERT, UPDATE, DELETE ON districts, services TO livlina_registry;
GRANT SELECT, INSERT, UPDATE ON alarm_centres, api_tokens, identity_providers TO livlina_registry;
GRANT SELECT, INSERT, DELETE ON person_roles TO livlina_registry;
GRANT SELECT, INSERT ON one_time_links TO livlina_registry;
GRANT SELECT ON people, passkeys, identity_links TO livlina_registry;
GRANT DELETE ON passkeys, identity_links TO livlina_registry;

GRANT SELECT ON alarm_centres, services TO livlina_ingest, livlina_forward;
GRANT SELECT ON office_hours TO livlina_ingest;

GRANT SELECT ON municipalities, alarm_centres, services, office_hours, person_roles, identity_providers TO livlina_login;
GRANT SELECT (municipality_id, state, opened_at) ON cases TO livlina_login;
GRANT UPDATE (password_hash, language, second_step, display_name, closed_at) ON users TO livlina_login;
CREATE POLICY login_changes ON users FOR UPDATE TO livlina_login USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON passkeys, identity_links TO livlina_login;
GRANT SELECT, INSERT, DELETE ON sign_in_tickets TO livlina_login;
GRANT SELECT, INSERT, UPDATE ON one_time_links TO livlina_login;
GRANT SELECT, UPDATE (used_at) ON api_tokens TO livlina_login;
