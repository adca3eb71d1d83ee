-- An incident of a nation has tens of thousands of members, and a page counts them: which municipalities the session sees is
-- asked once a statement and looked up in a hash, and not read out of the setting anew for each member. The rule is the same.
ALTER POLICY tenant ON incident_units
    USING (municipality_id IN (SELECT unnest(livlina_municipalities())));
