-- One's own messages: what one wants to be told, and what was sent. Runs as livlina_web for `livlina.actor`; an address
-- is written and never read.

-- name: own
SELECT channel, address_hint, topics, group_s, quiet_from, quiet_until, quiet_weekend, wake, language, since
FROM notification_subscriptions;

-- name: change
UPDATE notification_subscriptions SET channel = %(channel)s, address = %(address)s, address_hint = %(hint)s,
    topics = %(topics)s, group_s = %(group_s)s, quiet_from = %(quiet_from)s, quiet_until = %(quiet_until)s,
    quiet_weekend = %(quiet_weekend)s, wake = %(wake)s, zone = %(zone)s, language = %(language)s
WHERE user_id = %(person)s RETURNING user_id;

-- name: change_kept_address
UPDATE notification_subscriptions SET topics = %(topics)s, group_s = %(group_s)s, quiet_from = %(quiet_from)s,
    quiet_until = %(quiet_until)s, quiet_weekend = %(quiet_weekend)s, wake = %(wake)s, zone = %(zone)s,
    language = %(language)s
WHERE user_id = %(person)s AND channel = %(channel)s RETURNING user_id;

-- name: add
INSERT INTO notification_subscriptions (user_id, channel, address, address_hint, topics, group_s, quiet_from, quiet_until,
                                        quiet_weekend, wake, zone, language, since)
VALUES (%(person)s, %(channel)s, %(address)s, %(hint)s, %(topics)s, %(group_s)s, %(quiet_from)s, %(quiet_until)s,
        %(quiet_weekend)s, %(wake)s, %(zone)s, %(language)s, %(at)s);

-- name: end
DELETE FROM notification_subscriptions WHERE user_id = %(person)s RETURNING user_id;

-- name: messages
SELECT notification_id, queued_at, items, cannot_wait, attempts, delivered_at, ended_at, last_outcome FROM notifications
WHERE %(before)s::bigint IS NULL OR notification_id < %(before)s::bigint
ORDER BY notification_id DESC LIMIT %(most)s;
