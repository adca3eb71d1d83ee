-- A unit's timeline: what the pages may read of readings, events and supervision's steps. Additive.
-- Never the frames themselves, nor an event's data: a position may stand there.
GRANT SELECT (day, unit_id, boot, seq, municipality_id, received_at, transport, bearer, battery, signal, operator, radio)
    ON readings TO livlina_web;
GRANT SELECT (unit_id, boot, seq, municipality_id, received_at, kind, age_s) ON unit_events TO livlina_web;
GRANT SELECT (step_id, unit_id, municipality_id, step, asked_at, answered_at, attached, outcome) ON supervision_steps
    TO livlina_web;
