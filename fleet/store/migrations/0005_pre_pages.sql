-- What the pages show besides cases: who was told, what comes next, technicians' tasks, units and centres.
-- Rules as in 0001. The pages' duty sees rows of its session's municipalities, and of these tables only the columns that
-- it shows: no address, no key, no password, no argument of an order (a challenge's nonce is one).

-- A centre belongs to the installation, so the policy `tenant` hides it from everybody. Whoever sees a route to it, or an
-- alarm that it is owed, sees the centre; the looks into routes and outbox are under row level security themselves.
CREATE POLICY routed ON centres FOR SELECT TO livlina_web USING (
    EXISTS (SELECT 1 FROM routes r WHERE r.centre_id = centres.centre_id)
    OR EXISTS (SELECT 1 FROM type_routes t WHERE t.centre_id = centres.centre_id)
    OR EXISTS (SELECT 1 FROM outbox o
               WHERE o.centre_id = centres.centre_id AND o.delivered_at IS NULL AND o.withdrawn_at IS NULL));
CREATE POLICY routed ON centre_health FOR SELECT TO livlina_web USING (
    EXISTS (SELECT 1 FROM centres n WHERE n.centre_id = centre_health.centre_id));
-- Routines that all municipalities share. Their steps name roles, never who holds one.
CREATE POLICY shared ON routines FOR SELECT TO livlina_web USING (municipality_id = 0);

GRANT SELECT (centre_id, municipality_id, name, protocol, reports_taken, removed_at) ON centres TO livlina_web;
GRANT SELECT (centre_id, municipality_id, state, since, good_probes, probe_at, last_outcome) ON centre_health TO livlina_web;
GRANT SELECT ON routes, type_routes TO livlina_web;
GRANT SELECT (routine_id, municipality_id, steps) ON routines TO livlina_web;
GRANT SELECT (case_id, municipality_id, place, due_at, ended_at) ON case_timers TO livlina_web;
GRANT SELECT (unit_id, number, municipality_id, kind, actor, queued_at, expires_at, sends, sent_at, answered_at, result)
    ON unit_commands TO livlina_web;

-- A technician closes a task; what ends by no event of its own ends with it.
GRANT UPDATE (closed_at, closed_by) ON technician_tasks TO livlina_web;
GRANT UPDATE (active, at) ON unit_conditions TO livlina_web;

-- The technicians' page pages by (opened_at, task_id) over whatever municipalities the session has.
-- technician_tasks_open leads with one municipality and would be sorted again for each page.
CREATE INDEX technician_tasks_oldest ON technician_tasks (opened_at, task_id) WHERE closed_at IS NULL;
-- Units page by their key. There is no index on unit_states (due_at): every heartbeat would have to write to it, and
-- finding the overdue ones reads a municipality's few thousand rows in some milliseconds.
