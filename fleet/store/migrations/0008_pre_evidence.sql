-- Evidence: what was done and received, append-only, chained by hash; pruning; subscriptions; answers kept for repeats.
-- Rules as in 0001. Nobody may change or delete what stands here: no duty holds the right, and triggers refuse the owner.
-- What a database's superuser does all the same is found by `livlina evidence verify` (decision 0017).

DO $$
BEGIN
    CREATE ROLE livlina_evidence NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another database of the same cluster has made it
END $$;
GRANT USAGE ON SCHEMA public TO livlina_evidence;

-- The record of actions ---------------------------------------------------------------------------------------------

-- One action of a person, a program or the server itself, written in the transaction of the action. Identifiers only.
CREATE TABLE audit_records (
    record_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    at timestamptz NOT NULL,
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 100),
    action text NOT NULL CHECK (action ~ '^[a-z_]+(\.[a-z_]+)+$' AND length(action) <= 60),
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 100),
    detail jsonb NOT NULL DEFAULT '{}' CHECK (length(detail::text) <= 4000)
);
CREATE INDEX audit_records_by_subject ON audit_records (subject, record_id);

-- What waits for its place in the chain. Rows are visible once their transaction has committed, and go when chained.
CREATE TABLE audit_queue (
    queue_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0,
    source text NOT NULL,
    key text NOT NULL
);

-- The chain. digest: SHA-256 over the content of a row of `source`; hash: over the hash before, the place and the digest.
CREATE TABLE audit_chain (
    position bigint PRIMARY KEY CHECK (position > 0),
    municipality_id int NOT NULL,
    source text NOT NULL CHECK (source IN ('audit', 'case_log', 'press', 'receipt', 'delivery', 'unit_event')),
    key text NOT NULL,
    at timestamptz NOT NULL,
    chained_at timestamptz NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    UNIQUE (source, key)
);
CREATE INDEX audit_chain_by_municipality ON audit_chain (municipality_id, position);

-- How far the case log, which is in commit order itself, has been taken in.
CREATE TABLE audit_progress (
    source text PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0,
    number bigint NOT NULL
);
INSERT INTO audit_progress (source, number) VALUES ('case_log', 0);

-- Signed heads. The key lies outside the database; the same lines are kept in a file and, if wished, elsewhere.
CREATE TABLE audit_heads (
    position bigint PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0,
    hash bytea NOT NULL,
    at timestamptz NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL
);

-- What may be missing: rows of `source` up to `position`; for source 'chain' the links themselves. Signed like a head.
CREATE TABLE audit_prunings (
    source text NOT NULL CHECK (source IN ('audit', 'case_log', 'unit_event', 'chain')),
    position bigint NOT NULL,
    municipality_id int NOT NULL DEFAULT 0,
    hash bytea NOT NULL,
    at timestamptz NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (source, position)
);

CREATE FUNCTION livlina_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' AND current_setting('livlina.pruning', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only: rows leave it by `livlina evidence prune` only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['audit_records', 'audit_chain', 'audit_heads', 'audit_prunings', 'case_log', 'unit_events'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION livlina_append_only()', t);
        EXECUTE format('CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION livlina_append_only()', t);
    END LOOP;
END $$;
-- What a press said is never changed; its marks and stages may be.
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OF unit_id, boot, seq, received_at, kind, input, raw ON presses
    FOR EACH ROW EXECUTE FUNCTION livlina_append_only();

CREATE FUNCTION livlina_queue_records() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO audit_queue (source, key) SELECT 'audit', n.record_id::text FROM new_rows n ORDER BY n.record_id;
    RETURN NULL;
END $$;
CREATE TRIGGER queue AFTER INSERT ON audit_records REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION livlina_queue_records();

CREATE FUNCTION livlina_queue_events() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO audit_queue (source, key)
    SELECT 'unit_event', n.unit_id || '/' || n.boot || '/' || n.seq FROM new_rows n ORDER BY n.received_at;
    RETURN NULL;
END $$;
ALTER TABLE unit_events NO FORCE ROW LEVEL SECURITY;  -- the owner takes in what there was before
INSERT INTO audit_queue (source, key)
SELECT 'unit_event', unit_id || '/' || boot || '/' || seq FROM unit_events ORDER BY received_at;
ALTER TABLE unit_events FORCE ROW LEVEL SECURITY;
CREATE TRIGGER queue AFTER INSERT ON unit_events REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION livlina_queue_events();

-- Subscriptions to events ---------------------------------------------------------------------------------------------

-- A receiver of events, told in the order of the chain. sealed: its secret, under a key that the database never sees.
CREATE TABLE webhook_subscriptions (
    subscription_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL REFERENCES municipalities,
    url text NOT NULL CHECK (length(url) <= 500),
    events text[] NOT NULL CHECK (cardinality(events) BETWEEN 1 AND 20),
    sealed bytea,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    ended_at timestamptz,
    position bigint NOT NULL DEFAULT 0,
    attempts int NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    delivered_at timestamptz,
    last_outcome text
);
CREATE INDEX webhook_subscriptions_live ON webhook_subscriptions (municipality_id) WHERE ended_at IS NULL;

-- Answers to requests with an idempotency key, kept for a day, written in the transaction of the action.
CREATE TABLE api_answers (
    actor text NOT NULL CHECK (length(actor) <= 100),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 100),
    municipality_id int NOT NULL DEFAULT 0,
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    status int NOT NULL,
    body text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (actor, key)
);

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
DECLARE duty text;
BEGIN
    FOREACH t IN ARRAY ARRAY['audit_records', 'audit_queue', 'audit_chain', 'audit_progress', 'audit_heads',
                             'audit_prunings', 'webhook_subscriptions', 'api_answers'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        EXECUTE format('CREATE POLICY duty ON %I TO livlina_evidence USING (true) WITH CHECK (true)', t);
    END LOOP;
    -- Whoever acts writes its own record, of whatever municipality the action belongs to; reading is another matter.
    FOR duty IN SELECT rolname FROM pg_roles WHERE rolname LIKE 'livlina\_%'
                AND rolname = ANY (ARRAY['livlina_registry', 'livlina_ingest', 'livlina_forward', 'livlina_web',
                                         'livlina_login', 'livlina_people', 'livlina_evidence']) LOOP
        EXECUTE format('GRANT INSERT ON audit_records, audit_queue TO %I', duty);
    END LOOP;
    -- Those duties' sources, read by the chainer and by reports.
    FOREACH t IN ARRAY ARRAY['municipalities', 'units', 'cases', 'case_log', 'presses', 'outbox', 'unit_events', 'readings',
                             'unit_states', 'centres', 'button_proofs', 'notices', 'technician_tasks', 'unit_conditions'] LOOP
        EXECUTE format('CREATE POLICY evidence ON %I FOR SELECT TO livlina_evidence USING (true)', t);
        IF t <> 'centres' THEN
            EXECUTE format('GRANT SELECT ON %I TO livlina_evidence', t);
        END IF;
    END LOOP;
    -- Pruning is done by the schema's owner, who sees rows under forced row level security only while it prunes.
    FOREACH t IN ARRAY ARRAY['audit_records', 'audit_chain', 'audit_heads', 'audit_prunings', 'case_log', 'unit_events',
                             'cases'] LOOP
        EXECUTE format('CREATE POLICY pruning ON %I TO CURRENT_USER '
                       'USING (current_setting(''livlina.pruning'', true) = ''on'') '
                       'WITH CHECK (current_setting(''livlina.pruning'', true) = ''on'')', t);
    END LOOP;
END $$;
GRANT SELECT (centre_id, municipality_id, name, protocol) ON centres TO livlina_evidence;

CREATE POLICY writing ON audit_records FOR INSERT WITH CHECK (true);
CREATE POLICY writing ON audit_queue FOR INSERT WITH CHECK (true);
CREATE POLICY tenant ON audit_records FOR SELECT TO livlina_web USING (municipality_id = ANY (livlina_municipalities()));
CREATE POLICY tenant ON audit_chain FOR SELECT TO livlina_web USING (municipality_id = ANY (livlina_municipalities()));
CREATE POLICY everybody ON audit_heads FOR SELECT TO livlina_web USING (true);
CREATE POLICY tenant ON webhook_subscriptions TO livlina_web
    USING (municipality_id = ANY (livlina_municipalities()))
    WITH CHECK (municipality_id = ANY (livlina_municipalities()));
CREATE POLICY own ON api_answers TO livlina_web
    USING (actor = current_setting('livlina.actor', true)) WITH CHECK (actor = current_setting('livlina.actor', true));

GRANT SELECT ON audit_records, audit_chain, audit_heads, audit_prunings TO livlina_evidence;
GRANT SELECT, DELETE ON audit_queue TO livlina_evidence;
GRANT INSERT ON audit_chain, audit_heads TO livlina_evidence;
GRANT SELECT, UPDATE (number) ON audit_progress TO livlina_evidence;
GRANT SELECT ON webhook_subscriptions TO livlina_evidence;
GRANT UPDATE (position, attempts, next_try_at, delivered_at, last_outcome) ON webhook_subscriptions TO livlina_evidence;
GRANT SELECT (made_at), DELETE ON api_answers TO livlina_evidence;

GRANT SELECT ON audit_records, audit_chain, audit_heads TO livlina_web;
GRANT SELECT (subscription_id, municipality_id, url, events, made_at, made_by, ended_at, position, attempts, next_try_at,
              delivered_at, last_outcome) ON webhook_subscriptions TO livlina_web;
GRANT INSERT ON webhook_subscriptions TO livlina_web;
GRANT UPDATE (ended_at, sealed) ON webhook_subscriptions TO livlina_web;
GRANT SELECT, INSERT ON api_answers TO livlina_web;
GRANT UPDATE (status, body) ON api_answers TO livlina_web;
-- The month report of a person's own municipalities.
GRANT SELECT ON readings TO livlina_web;
-- Orders to units, as pages and the API give them.
GRANT INSERT (unit_id, number, municipality_id, kind, args, actor, queued_at, expires_at, about_boot, about_seq)
    ON unit_commands TO livlina_web;
