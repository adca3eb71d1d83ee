-- Drills of spare SIMs.

-- name: begin
INSERT INTO path_drills (municipality_id, failure, seed, predicted, actor, made_at, ends_at)
VALUES (%(municipality_id)s, %(failure)s, %(seed)s, %(predicted)s, %(actor)s, %(at)s, %(ends_at)s)
RETURNING drill_id;

-- name: add_unit
INSERT INTO path_drill_units (drill_id, unit_id, municipality_id, slot, number)
SELECT %(drill_id)s, unit_id, municipality_id, %(slot)s, %(number)s FROM units WHERE unit_id = %(unit_id)s;

-- name: drill
SELECT * FROM path_drills WHERE drill_id = %(drill_id)s;

-- name: units
-- Heard on that SIM after it had the order and before the end: by a reading, because ways are noted seldom.
SELECT d.unit_id, c.answered_at, c.result,
       EXISTS (SELECT 1 FROM readings r
               WHERE r.unit_id = d.unit_id AND r.bearer = d.slot + 2 AND r.received_at >= coalesce(c.sent_at, p.made_at)
                 AND r.received_at <= p.ends_at
                 AND r.day BETWEEN (p.made_at AT TIME ZONE 'UTC')::date AND (p.ends_at AT TIME ZONE 'UTC')::date) AS heard
FROM path_drill_units d
JOIN path_drills p USING (drill_id)
LEFT JOIN unit_commands c ON c.unit_id = d.unit_id AND c.number = d.number
WHERE d.drill_id = %(drill_id)s
ORDER BY d.unit_id;
