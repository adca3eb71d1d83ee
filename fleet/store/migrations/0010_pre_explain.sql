-- Pages and the API explain routes and make reports: the pages' duty reads who holds a role, never how to reach them.
-- Rules as in 0005. A recipient here is somebody on duty: a patrol, a role's telephone; not a wearer.

GRANT SELECT ON routines, roles, role_holders, office_hours TO livlina_web;
GRANT SELECT (recipient_id, municipality_id, name, channel, centre_id, language) ON recipients TO livlina_web;
-- What all municipalities share.
CREATE POLICY shared ON roles FOR SELECT TO livlina_web USING (municipality_id = 0);
CREATE POLICY shared ON role_holders FOR SELECT TO livlina_web USING (municipality_id = 0);
CREATE POLICY shared ON office_hours FOR SELECT TO livlina_web USING (municipality_id = 0);
CREATE POLICY shared ON recipients FOR SELECT TO livlina_web USING (municipality_id = 0);

-- Reports read a month of cases by the time they were opened.
CREATE INDEX cases_by_opening ON cases (municipality_id, opened_at);
