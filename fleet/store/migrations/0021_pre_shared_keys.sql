-- Since when somebody else may hold a unit's key: its modem or SIM has changed and no technician has looked at it. It lies
-- beside the counters, because the alarms' loop reads those and waits for no other table.
ALTER TABLE unit_keys ADD COLUMN shared_since timestamptz;
CREATE INDEX unit_keys_shared ON unit_keys (unit_id) WHERE shared_since IS NOT NULL;
GRANT UPDATE (shared_since) ON unit_keys TO livlina_ingest;
