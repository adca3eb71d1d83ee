-- What has happened to one unit, newest first, out of everything that writes about it. Runs as livlina_web.

-- name: timeline
-- One row an entry, ordered by (at, source, key). The keyset is the last entry of the page before; `since`, where it is
-- not null, is where it ends. Changes of the way are looked for in the month before it: that is what readings are kept
-- for at least.
SELECT e.at, e.source, e.key, e.detail FROM (
    SELECT received_at AS at, 'press' AS source, boot || '/' || seq AS key,
           jsonb_build_object('kind', kind, 'input', input, 'bearer', bearer, 'age_s', age_s, 'case', case_id,
                              'battery', battery) AS detail
    FROM presses WHERE unit_id = %(unit_id)s
    UNION ALL
    SELECT accepted_at, 'accepted', boot || '/' || seq, jsonb_build_object('case', case_id) FROM presses
    WHERE unit_id = %(unit_id)s AND accepted_at IS NOT NULL
    UNION ALL
    SELECT taken_at, 'taken', boot || '/' || seq, jsonb_build_object('case', case_id) FROM presses
    WHERE unit_id = %(unit_id)s AND taken_at IS NOT NULL
    UNION ALL
    SELECT at, 'proof', boot || '/' || seq, jsonb_build_object('input', input, 'bearer', bearer) FROM button_proofs
    WHERE unit_id = %(unit_id)s
    UNION ALL
    SELECT received_at, 'event', boot || '/' || seq, jsonb_build_object('kind', kind, 'age_s', age_s) FROM unit_events
    WHERE unit_id = %(unit_id)s AND kind <> 1
    UNION ALL
    SELECT at, 'state', lpad(entry_id::text, 19, '0'),
           jsonb_build_object('was', was, 'state', state, 'cause', cause, 'incident', incident_id)
    FROM unit_supervision_log WHERE unit_id = %(unit_id)s
    UNION ALL
    SELECT asked_at, 'step', lpad(step_id::text, 19, '0'), jsonb_build_object('step', step, 'outcome', outcome)
    FROM supervision_steps WHERE unit_id = %(unit_id)s
    UNION ALL
    SELECT u.since, 'incident', lpad(u.incident_id::text, 19, '0'),
           jsonb_build_object('incident', u.incident_id, 'kind', i.kind, 'fate', u.fate, 'closed', i.closed_at IS NOT NULL)
    FROM incident_units u JOIN incidents i USING (incident_id) WHERE u.unit_id = %(unit_id)s
    UNION ALL
    SELECT at, 'life', lpad(entry_id::text, 19, '0'),
           jsonb_build_object('event', event, 'was', was, 'became', became, 'actor', actor)
    FROM unit_life_log WHERE unit_id = %(unit_id)s
    UNION ALL
    SELECT queued_at, 'order', lpad(number::text, 19, '0'), jsonb_build_object('kind', kind, 'actor', actor)
    FROM unit_commands WHERE unit_id = %(unit_id)s
    UNION ALL
    SELECT answered_at, 'answer', lpad(number::text, 19, '0'), jsonb_build_object('kind', kind, 'result', result)
    FROM unit_commands WHERE unit_id = %(unit_id)s AND answered_at IS NOT NULL
    UNION ALL
    SELECT opened_at, 'task', lpad(task_id::text, 19, '0'), jsonb_build_object('task', task_id, 'kind', kind, 'part', part)
    FROM technician_tasks WHERE unit_id = %(unit_id)s
    UNION ALL
    SELECT closed_at, 'task_closed', lpad(task_id::text, 19, '0'),
           jsonb_build_object('task', task_id, 'kind', kind, 'part', part, 'actor', closed_by)
    FROM technician_tasks WHERE unit_id = %(unit_id)s AND closed_at IS NOT NULL
    UNION ALL
    SELECT w.received_at, 'way', w.boot || '/' || w.seq,
           jsonb_build_object('bearer', w.bearer, 'operator', w.operator, 'radio', w.radio, 'was_bearer', w.was_bearer,
                              'was_operator', w.was_operator, 'was_radio', w.was_radio)
    FROM (SELECT received_at, boot, seq, bearer, operator, radio, lag(bearer) OVER o AS was_bearer,
                 lag(operator) OVER o AS was_operator, lag(radio) OVER o AS was_radio
          FROM readings
          WHERE unit_id = %(unit_id)s AND bearer IS NOT NULL
            AND day BETWEEN coalesce((%(since)s::timestamptz AT TIME ZONE 'UTC')::date - 1,
                                     (%(before)s::timestamptz AT TIME ZONE 'UTC')::date - 31)
                        AND (%(before)s::timestamptz AT TIME ZONE 'UTC')::date
          WINDOW o AS (ORDER BY received_at, boot, seq)) w
    WHERE w.bearer <> w.was_bearer OR w.operator <> w.was_operator OR w.radio <> w.was_radio
) e
WHERE (e.at, e.source, e.key) < (%(before)s::timestamptz, %(source)s::text, %(key)s::text)
  AND (%(since)s::timestamptz IS NULL OR e.at > %(since)s)
ORDER BY e.at DESC, e.source DESC, e.key DESC LIMIT %(most)s;

-- name: readings
-- Battery and signal in steps of six hours.
SELECT to_timestamp(floor(extract(epoch FROM received_at) / 21600) * 21600) AS at, count(*) AS heard,
       round(avg(battery))::int AS battery, min(battery) AS battery_least, round(avg(signal))::int AS signal,
       min(signal) AS signal_least
FROM readings
WHERE unit_id = %(unit_id)s AND day >= (%(since)s::timestamptz AT TIME ZONE 'UTC')::date AND received_at >= %(since)s
GROUP BY 1 ORDER BY 1;

-- name: known
SELECT unit_id FROM units WHERE unit_id = %(unit_id)s;
