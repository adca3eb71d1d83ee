-- Who is at an alarm centre is told about the municipalities that the centre serves: what decides that, for the duty that
-- sends messages. Of a case it reads where and when it was opened, and whether it is closed. Additive.

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['services', 'office_hours', 'cases'] LOOP
        EXECUTE format('CREATE POLICY notifying ON %I FOR SELECT TO livlina_notify USING (true)', t);
    END LOOP;
END $$;
GRANT SELECT (zone) ON municipalities TO livlina_notify;
GRANT SELECT ON services, office_hours TO livlina_notify;
GRANT SELECT (municipality_id, state, opened_at) ON cases TO livlina_notify;
