-- What pages and API write beside what they could: imports of units that nobody relies on, routines, alarm centres and
-- services, districts, identity providers; positions of a search that is ended at once. Recipients' districts are rows.
-- Rules as in 0001: row level security keeps each to the municipalities of its session.

-- A SIM that was in another unit is looked up by its number.
CREATE INDEX unit_states_iccid1 ON unit_states (iccid1) WHERE iccid1 IS NOT NULL;
CREATE INDEX unit_states_iccid2 ON unit_states (iccid2) WHERE iccid2 IS NOT NULL;

-- Districts. A recipient's is named by its text, which the release before writes too; the row follows it.
INSERT INTO districts (municipality_id, name)
SELECT DISTINCT municipality_id, district FROM care_recipients WHERE district <> ''
ON CONFLICT (municipality_id, name) DO NOTHING;
ALTER TABLE care_recipients ADD COLUMN district_id int;
UPDATE care_recipients r SET district_id = d.district_id FROM districts d
WHERE d.municipality_id = r.municipality_id AND d.name = r.district;
ALTER TABLE care_recipients ADD FOREIGN KEY (municipality_id, district_id) REFERENCES districts (municipality_id, district_id);
CREATE INDEX care_recipients_of_district ON care_recipients (municipality_id, district_id) WHERE district_id IS NOT NULL;

CREATE FUNCTION livlina_district_of() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    NEW.district_id := NULL;
    IF NEW.district = '' THEN
        RETURN NEW;
    END IF;
    SELECT d.district_id INTO NEW.district_id FROM districts d
    WHERE d.municipality_id = NEW.municipality_id AND d.name = NEW.district;
    IF NEW.district_id IS NULL THEN
        INSERT INTO districts (municipality_id, name) VALUES (NEW.municipality_id, NEW.district)
        ON CONFLICT (municipality_id, name) DO NOTHING;
        SELECT d.district_id INTO NEW.district_id FROM districts d
        WHERE d.municipality_id = NEW.municipality_id AND d.name = NEW.district;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER district_of BEFORE INSERT OR UPDATE OF district, municipality_id ON care_recipients FOR EACH ROW
    EXECUTE FUNCTION livlina_district_of();

-- Units by import: no page and no token brings one into use, whatever the code says.
GRANT INSERT (unit_id, municipality_id, unit_type, life, life_at, life_until, grounds, made_at, revoked_at, state, board,
              modem, owner), UPDATE (board, modem, owner) ON units TO livlina_web;
CREATE POLICY not_in_use ON units AS RESTRICTIVE FOR INSERT TO livlina_web
    WITH CHECK (life IN ('made', 'in_stock', 'assigned') AND grounds IS NULL AND revoked_at IS NULL AND state = 'active');

-- Routines. What is shared by all (municipality 0) is written by whoever administers the installation. Addresses are
-- written and not read: no page shows one.
GRANT INSERT, UPDATE ON type_routes, recipients, roles, role_holders, routines TO livlina_web;
GRANT INSERT ON office_hours TO livlina_web;

-- Alarm centres are the installation's; services, districts and providers a municipality's.
CREATE POLICY tenant ON alarm_centres FOR INSERT TO livlina_web
    WITH CHECK (municipality_id = ANY (livlina_municipalities()));
GRANT INSERT (name) ON alarm_centres TO livlina_web;
GRANT INSERT, UPDATE (ends_minute) ON services TO livlina_web;
GRANT INSERT (municipality_id, name) ON districts TO livlina_web;
GRANT INSERT (municipality_id, name, issuer, client_id, acr, scopes, subject_claim, made_at),
      UPDATE (client_secret, removed_at) ON identity_providers TO livlina_web;

-- Whoever ends a search may have its positions deleted at once; they are visible while it runs only.
GRANT DELETE ON search_positions TO livlina_web;
