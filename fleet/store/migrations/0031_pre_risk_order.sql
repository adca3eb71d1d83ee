-- What the order of risk needs to know, and who may move a date for good. Additive.

-- NULL: nobody has said.
ALTER TABLE care_recipients ADD COLUMN lives_alone boolean;

-- The technologies that the SIM's plan allows; NULL: nobody has said.
ALTER TABLE sims ADD COLUMN technologies text[] CHECK (cardinality(technologies) > 0);
CREATE POLICY supervising ON sims FOR SELECT TO livlina_supervise USING (true);
GRANT SELECT ON sims TO livlina_supervise;

-- Municipality 0's, as row level security has it: whoever administers the installation.
GRANT INSERT ON sunset_changes TO livlina_web;
