-- What is secret between the fleet and a centre, and centres without an address of their own.
-- Additive: the release before knows neither and goes on telling centres without secrets.

-- sealed: AES-256-GCM under a key that the database never sees, bound to centre and kind. secret: what our messages are
-- proven or encrypted with; next: a password that the centre has issued and no message has used yet; taken: the hash of
-- the token with which the centre reports that a person has taken an alarm.
CREATE TABLE centre_secrets (
    centre_id int NOT NULL REFERENCES centres,
    kind text NOT NULL CHECK (kind IN ('secret', 'next', 'taken')),
    municipality_id int NOT NULL REFERENCES municipalities,
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL,
    rotated_at timestamptz,
    PRIMARY KEY (centre_id, kind)
);

-- A file has no port.
ALTER TABLE centres DROP CONSTRAINT centres_port_check;
ALTER TABLE centres ADD CONSTRAINT centres_port_check
    CHECK (port BETWEEN 0 AND 65535 AND (port > 0 OR protocol = 'jsonl'));

-- A centre that is removed stays as a row under another name, for what is written of it; forwarding sees it no more.
ALTER TABLE centres ADD COLUMN removed_at timestamptz;
CREATE POLICY removed ON centres AS RESTRICTIVE FOR SELECT TO livlina_forward USING (removed_at IS NULL);

-- Rights ------------------------------------------------------------------------------------------------------------

ALTER TABLE centre_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE centre_secrets FORCE ROW LEVEL SECURITY;
REVOKE ALL ON centre_secrets FROM PUBLIC;

-- The registry writes and cannot read; forwarding reads, and keeps a password through its changes. Nobody else may
-- touch it: no front door, no page.
CREATE POLICY duty ON centre_secrets TO livlina_registry USING (true) WITH CHECK (true);
CREATE POLICY reading ON centre_secrets FOR SELECT TO livlina_forward USING (true);
CREATE POLICY rotating ON centre_secrets TO livlina_forward
    USING (kind IN ('secret', 'next')) WITH CHECK (kind IN ('secret', 'next'));

GRANT SELECT (centre_id, kind, municipality_id, made_at, rotated_at), INSERT, UPDATE, DELETE
    ON centre_secrets TO livlina_registry;
GRANT SELECT, INSERT, UPDATE (sealed, made_at, rotated_at), DELETE ON centre_secrets TO livlina_forward;
GRANT DELETE ON centre_health TO livlina_registry;
