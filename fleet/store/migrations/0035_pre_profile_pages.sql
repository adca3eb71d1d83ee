-- Reporting times are chosen on a page and by the API too, in the municipalities that the actor has. Additive.
GRANT INSERT, UPDATE ON supervision_profiles TO livlina_web;
CREATE POLICY choosing ON supervision_profiles FOR INSERT TO livlina_web
    WITH CHECK (municipality_id = ANY (livlina_municipalities()));
CREATE POLICY choosing_again ON supervision_profiles FOR UPDATE TO livlina_web
    USING (municipality_id = ANY (livlina_municipalities()))
    WITH CHECK (municipality_id = ANY (livlina_municipalities()));
