-- What stands around cases: timers, people told, where they were moved, ways and batteries. All of it runs as
-- livlina_web, so row level security says whose.

-- name: around
-- One statement for all cases that operators see, or for one case whatever its state. Each lateral look is an index scan
-- by case; presses are bounded, so that a unit that presses for hours costs no more than one that pressed a few times.
SELECT c.case_id, c.routine_id, t.place AS next_place, t.due_at AS next_at,
       p.bearer, coalesce(p.battery, s.battery) AS battery, p.pressed,
       coalesce(n.told, '[]') AS told, m.moved, e.escalated
FROM cases c
LEFT JOIN case_timers t ON t.case_id = c.case_id AND t.ended_at IS NULL AND c.state = 'open'
LEFT JOIN unit_states s ON s.unit_id = c.unit_id
LEFT JOIN LATERAL (
    SELECT (array_agg(r.bearer ORDER BY r.received_at DESC))[1] AS bearer,
           (array_agg(r.battery ORDER BY r.received_at DESC))[1] AS battery,
           array_agg(coalesce(r.pressed_at, r.received_at) ORDER BY r.received_at) AS pressed
    FROM (SELECT bearer, battery, pressed_at, received_at FROM presses
          WHERE case_id = c.case_id AND (c.test OR NOT (kind = 9 OR (flags & 2 <> 0 AND kind <> 2)))
          ORDER BY received_at DESC LIMIT %(presses)s) r
) p ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('who', g.who, 'told', g.told, 'trying', g.trying, 'tries', g.tries, 'at', g.at)
                     ORDER BY g.first) AS told
    FROM (SELECT who, count(*) FILTER (WHERE delivered_at IS NOT NULL) AS told,
                 count(*) FILTER (WHERE delivered_at IS NULL AND withdrawn_at IS NULL) AS trying,
                 max(attempts) FILTER (WHERE delivered_at IS NULL AND withdrawn_at IS NULL) AS tries,
                 max(delivered_at) AS at, min(notice_id) AS first
          FROM notices WHERE case_id = c.case_id GROUP BY who) g
) n ON true
LEFT JOIN LATERAL (
    SELECT jsonb_build_object('at', l.at, 'from', l.detail->>'from', 'to', l.detail->>'to', 'why', (
        SELECT o.last_outcome FROM outbox o JOIN centres x USING (centre_id)
        WHERE o.case_id = c.case_id AND x.name = l.detail->>'from' AND o.last_outcome IS NOT NULL
        ORDER BY o.outbox_id DESC LIMIT 1)) AS moved
    FROM case_log l WHERE l.case_id = c.case_id AND l.change = 'moved' ORDER BY l.position DESC LIMIT 1
) m ON true
LEFT JOIN LATERAL (
    SELECT jsonb_build_object('at', l.at) || l.detail AS escalated
    FROM case_log l WHERE l.case_id = c.case_id AND l.change = 'escalated' ORDER BY l.position DESC LIMIT 1
) e ON c.escalated_place IS NOT NULL
WHERE CASE WHEN %(case_id)s::bigint IS NULL THEN c.state <> 'closed' AND NOT c.test
           ELSE c.case_id = %(case_id)s::bigint END;

-- name: steps
SELECT routine_id, steps FROM routines WHERE routine_id = ANY (%(routines)s::bigint[]);

-- name: notices_of_case
SELECT who, place, queued_at, delivered_at, withdrawn_at, attempts, last_outcome FROM notices
WHERE case_id = %(case_id)s ORDER BY notice_id;
