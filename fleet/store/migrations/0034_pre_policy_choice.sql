-- Which SIM a change tells each unit to prefer, where the fleet chooses for each; NULL: the policy's own. And whom a
-- change has left out, with why: [{unit, why}]. Additive.
ALTER TABLE policy_change_units ADD COLUMN preferred int CHECK (preferred IN (1, 2));
ALTER TABLE policy_changes ADD COLUMN left_out jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(left_out) = 'array');
