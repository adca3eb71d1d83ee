-- An incident of a nation has tens of thousands of members, and a page counts them: which municipalities the session sees is
-- asked once a statement, and not once a member. The rule is the same as before.
ALTER POLICY tenant ON incident_units
    USING (municipality_id = ANY ((SELECT livlina_municipalities())::int[]));
