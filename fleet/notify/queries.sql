-- Messages to technicians and fleet owners. Runs as livlina_notify; `at` is the worker's present. `persons`, `places` and
-- `now` are who is to be told about which municipality, and whether at this hour (decide.reach).

-- name: lead
SELECT pg_try_advisory_xact_lock(hashtext('livlina.notify')) AS mine;

-- name: grants
-- The roles of everybody who has asked to be told.
SELECT user_id, role, municipality_id, alarm_centre_id FROM person_roles
WHERE user_id IN (SELECT user_id FROM notification_subscriptions);

-- name: take_tasks
-- An item for everybody who has asked for this and whose role holds there at some hour. A silent unit that an open incident explains
-- is the incident's.
INSERT INTO notification_items (user_id, municipality_id, topic, subject, unit_id, at, cannot_wait)
SELECT s.user_id, k.municipality_id, t.topic, 'task:' || k.task_id, k.unit_id, k.opened_at, t.topic = ANY (%(urgent)s::text[])
FROM technician_tasks k
JOIN unnest(%(kinds)s::text[], %(topics)s::text[]) AS t(kind, topic) ON t.kind = k.kind
JOIN notification_subscriptions s ON t.topic = ANY (s.topics) AND s.since <= k.opened_at
JOIN unnest(%(persons)s::int[], %(places)s::int[]) AS r(user_id, municipality_id)
    ON r.user_id = s.user_id AND r.municipality_id = k.municipality_id
JOIN users u ON u.user_id = s.user_id AND u.closed_at IS NULL
WHERE k.opened_at > %(since)s AND k.closed_at IS NULL
  AND NOT (k.kind = 'silent' AND EXISTS (
      SELECT 1 FROM incident_units m JOIN incidents i USING (incident_id)
      WHERE m.unit_id = k.unit_id AND i.closed_at IS NULL))
ON CONFLICT (user_id, subject) DO NOTHING;

-- name: take_incidents
-- One item a person, however many municipalities it touches: under one that concerns them now, where there is one.
INSERT INTO notification_items (user_id, municipality_id, topic, subject, at, cannot_wait)
SELECT DISTINCT ON (s.user_id, i.incident_id) s.user_id, m.municipality_id, 'incident', 'incident:' || i.incident_id,
       i.opened_at, 'incident' = ANY (%(urgent)s::text[])
FROM incidents i
JOIN (SELECT DISTINCT incident_id, municipality_id FROM incident_units) m USING (incident_id)
JOIN notification_subscriptions s ON 'incident' = ANY (s.topics) AND s.since <= i.opened_at
JOIN unnest(%(persons)s::int[], %(places)s::int[], %(now)s::boolean[]) AS r(user_id, municipality_id, now)
    ON r.user_id = s.user_id AND r.municipality_id = m.municipality_id
JOIN users u ON u.user_id = s.user_id AND u.closed_at IS NULL
WHERE i.opened_at > %(since)s AND i.closed_at IS NULL
ORDER BY s.user_id, i.incident_id, NOT r.now, m.municipality_id
ON CONFLICT (user_id, subject) DO NOTHING;

-- name: drop_over
-- What is over, or whose reader may not know of it any more, is not told.
UPDATE notification_items n SET dropped_at = %(at)s
WHERE n.notification_id IS NULL AND n.dropped_at IS NULL AND (
    EXISTS (SELECT 1 FROM technician_tasks k WHERE n.subject = 'task:' || k.task_id AND k.unit_id = n.unit_id
              AND k.closed_at IS NOT NULL)
    OR EXISTS (SELECT 1 FROM incidents i WHERE n.subject = 'incident:' || i.incident_id AND i.closed_at IS NOT NULL)
    OR NOT EXISTS (SELECT 1 FROM notification_subscriptions s JOIN users u USING (user_id)
                   WHERE s.user_id = n.user_id AND n.topic = ANY (s.topics) AND u.closed_at IS NULL)
    OR NOT EXISTS (SELECT 1 FROM unnest(%(persons)s::int[], %(places)s::int[]) AS r(user_id, municipality_id)
                   WHERE r.user_id = n.user_id AND r.municipality_id = n.municipality_id));

-- name: subscribers
SELECT user_id, topics, group_s, quiet_from, quiet_until, quiet_weekend, wake, zone FROM notification_subscriptions;

-- name: waiting
-- What may be told at this hour; the rest waits for its reader's hours.
SELECT n.item_id, n.user_id, n.topic, n.subject, n.at FROM notification_items n
JOIN unnest(%(persons)s::int[], %(places)s::int[], %(now)s::boolean[]) AS r(user_id, municipality_id, now)
    ON r.user_id = n.user_id AND r.municipality_id = n.municipality_id AND r.now
WHERE n.notification_id IS NULL AND n.dropped_at IS NULL ORDER BY n.item_id;

-- name: sent_lately
SELECT n.user_id, n.queued_at, n.delivered_at,
       ARRAY(SELECT i.subject FROM notification_items i WHERE i.notification_id = n.notification_id) AS subjects
FROM notifications n WHERE n.queued_at > %(since)s;

-- name: make
INSERT INTO notifications (user_id, queued_at, items, cannot_wait, next_try_at)
VALUES (%(person)s, %(at)s, %(items)s, %(cannot_wait)s, %(at)s) RETURNING notification_id;

-- name: put_into
UPDATE notification_items SET notification_id = %(notification_id)s WHERE item_id = ANY (%(items)s::bigint[]);

-- name: give_up
UPDATE notifications SET ended_at = %(at)s, claimed_until = NULL
WHERE delivered_at IS NULL AND ended_at IS NULL AND queued_at < %(before)s AND claimed_until IS NULL;

-- name: claim
WITH due AS (
    SELECT notification_id FROM notifications
    WHERE delivered_at IS NULL AND ended_at IS NULL AND next_try_at <= %(at)s
      AND (claimed_until IS NULL OR claimed_until < %(at)s)
    ORDER BY NOT cannot_wait, next_try_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
UPDATE notifications n SET claimed_until = %(until)s, attempts = n.attempts + 1
FROM due, notification_subscriptions s
WHERE n.notification_id = due.notification_id AND s.user_id = n.user_id
RETURNING n.notification_id, n.attempts, s.channel, s.address, s.language;

-- name: lines
SELECT i.topic, m.name AS municipality, coalesce(i.unit_id, split_part(i.subject, ':', 2)::bigint) AS number
FROM notification_items i JOIN municipalities m USING (municipality_id)
WHERE i.notification_id = %(notification_id)s ORDER BY i.item_id;

-- name: delivered
UPDATE notifications SET delivered_at = %(at)s, claimed_until = NULL, last_outcome = 'delivered'
WHERE notification_id = %(notification_id)s AND delivered_at IS NULL;

-- name: failed
UPDATE notifications SET claimed_until = NULL, last_outcome = %(outcome)s, next_try_at = %(next)s
WHERE notification_id = %(notification_id)s AND delivered_at IS NULL;
