-- The front doors compare the SIM that a status tells of with the one that is registered; they change nothing there.
GRANT SELECT ON unit_sims TO livlina_ingest;
