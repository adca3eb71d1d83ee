-- Messages to technicians and fleet owners: who wants to hear of what, what waits for them, and what was sent.
-- Rules as in 0001. A duty of its own sends them: it shares nothing with the messages of alarms. Additive.

DO $$
BEGIN
    CREATE ROLE livlina_notify NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA public TO livlina_notify;

-- One a person. Minutes of the day by the clocks of `zone`; equal ends are no quiet hours. `address_hint` is what a page
-- may show of the address. Events from before `since` are told to nobody.
CREATE TABLE notification_subscriptions (
    user_id int PRIMARY KEY REFERENCES users,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    channel text NOT NULL CHECK (channel IN ('sms', 'email')),
    address text NOT NULL CHECK (length(address) BETWEEN 3 AND 200),
    address_hint text NOT NULL,
    topics text[] NOT NULL,
    group_s int NOT NULL CHECK (group_s BETWEEN 0 AND 86400),
    quiet_from int NOT NULL CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_until int NOT NULL CHECK (quiet_until BETWEEN 0 AND 1439),
    quiet_weekend boolean NOT NULL,
    wake boolean NOT NULL,
    zone text NOT NULL,
    language text NOT NULL CHECK (language IN ('sv', 'en')),
    since timestamptz NOT NULL
);

CREATE TABLE notifications (
    notification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id int NOT NULL DEFAULT 0 REFERENCES municipalities,
    user_id int NOT NULL REFERENCES users,
    queued_at timestamptz NOT NULL,
    items int NOT NULL CHECK (items > 0),
    cannot_wait boolean NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    claimed_until timestamptz,
    delivered_at timestamptz,
    ended_at timestamptz,
    last_outcome text
) WITH (fillfactor = 70);
CREATE INDEX notifications_due ON notifications (next_try_at) WHERE delivered_at IS NULL AND ended_at IS NULL;
CREATE INDEX notifications_by_person ON notifications (user_id, notification_id);

-- One thing that one person is told once: a task or an incident, whatever the number of units and municipalities.
CREATE TABLE notification_items (
    item_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id int NOT NULL REFERENCES users,
    municipality_id int NOT NULL REFERENCES municipalities,
    topic text NOT NULL,
    subject text NOT NULL CHECK (subject ~ '^(task|incident):[0-9]+$'),
    unit_id bigint REFERENCES units,
    at timestamptz NOT NULL,
    cannot_wait boolean NOT NULL,
    notification_id bigint REFERENCES notifications,
    dropped_at timestamptz,
    UNIQUE (user_id, subject)
) WITH (fillfactor = 80);
CREATE INDEX notification_items_waiting ON notification_items (user_id) WHERE notification_id IS NULL AND dropped_at IS NULL;
CREATE INDEX notification_items_sent ON notification_items (notification_id);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['notification_subscriptions', 'notifications', 'notification_items'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        EXECUTE format('CREATE POLICY duty ON %I TO livlina_notify USING (true) WITH CHECK (true)', t);
        -- A person sees and writes his own, and nobody else's.
        EXECUTE format('CREATE POLICY own ON %I TO livlina_web '
                       'USING (''person:'' || user_id = current_setting(''livlina.actor'', true)) '
                       'WITH CHECK (''person:'' || user_id = current_setting(''livlina.actor'', true))', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['municipalities', 'technician_tasks', 'incidents', 'incident_units', 'users',
                             'person_roles'] LOOP
        EXECUTE format('CREATE POLICY notifying ON %I FOR SELECT TO livlina_notify USING (true)', t);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE ON notification_subscriptions, notifications, notification_items TO livlina_notify;
GRANT SELECT (municipality_id, name) ON municipalities TO livlina_notify;
GRANT SELECT (task_id, municipality_id, unit_id, kind, opened_at, closed_at) ON technician_tasks TO livlina_notify;
GRANT SELECT (incident_id, kind, opened_at, closed_at) ON incidents TO livlina_notify;
GRANT SELECT (incident_id, municipality_id, unit_id) ON incident_units TO livlina_notify;
GRANT SELECT (user_id, closed_at) ON users TO livlina_notify;
GRANT SELECT (user_id, municipality_id, alarm_centre_id, role) ON person_roles TO livlina_notify;
-- The pages never read an address: they write it, and show the hint.
GRANT SELECT (user_id, municipality_id, channel, address_hint, topics, group_s, quiet_from, quiet_until, quiet_weekend,
              wake, zone, language, since), INSERT, DELETE ON notification_subscriptions TO livlina_web;
GRANT UPDATE (channel, address, address_hint, topics, group_s, quiet_from, quiet_until, quiet_weekend, wake, zone,
              language, since) ON notification_subscriptions TO livlina_web;
GRANT SELECT (notification_id, municipality_id, user_id, queued_at, items, cannot_wait, attempts, delivered_at, ended_at,
              last_outcome) ON notifications TO livlina_web;
GRANT SELECT (item_id, user_id, municipality_id, topic, subject, at, notification_id, dropped_at) ON notification_items
    TO livlina_web;
