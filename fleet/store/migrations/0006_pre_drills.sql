-- Drills that were ordered: whether the test came. Additive: the release before orders drills and does not watch them.

-- When the outcome of an order was settled: the button was proven, or a technician has a task.
ALTER TABLE unit_commands ADD COLUMN drill_settled_at timestamptz;
CREATE INDEX unit_commands_drills ON unit_commands (queued_at) WHERE kind = 2 AND drill_settled_at IS NULL;

GRANT UPDATE (drill_settled_at) ON unit_commands TO livlina_ingest;
GRANT SELECT ON button_proofs TO livlina_ingest;
