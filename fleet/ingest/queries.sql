-- The statements of the front doors.

-- name: add_drops
INSERT INTO ingest_drops AS d (day, transport, reason, dropped)
SELECT %(day)s, t.transport, t.reason, t.dropped
FROM unnest(%(transport)s::text[], %(reason)s::text[], %(dropped)s::bigint[]) AS t(transport, reason, dropped)
ORDER BY t.transport, t.reason
ON CONFLICT (day, transport, reason) DO UPDATE SET dropped = d.dropped + excluded.dropped;

-- name: note_closes
INSERT INTO unit_closes AS c (unit_id, municipality_id, closed_at, written_at)
SELECT t.unit_id, u.municipality_id, t.closed_at, %(at)s
FROM unnest(%(unit_id)s::bigint[], %(closed_at)s::timestamptz[]) AS t(unit_id, closed_at) JOIN units u USING (unit_id)
ORDER BY t.unit_id
ON CONFLICT (unit_id) DO UPDATE SET closed_at = excluded.closed_at, written_at = excluded.written_at;

-- name: counters
-- The counter high-water marks of keys, read without a lock: an alarm waits for nobody.
SELECT k.unit_id, k.generation, k.counter_high, k.window_from, k.restored_at,
       k.shared_since IS NOT NULL AS shared
FROM unnest(%(unit_id)s::bigint[], %(generation)s::int[]) AS a(unit_id, generation)
JOIN unit_keys k USING (unit_id, generation);

-- name: lock_counters
-- The same, locked in one order, so that two ingest processes never wait for each other in a circle.
SELECT k.unit_id, k.generation, k.counter_high, k.window_from, k.restored_at,
       k.shared_since IS NOT NULL AS shared
FROM unnest(%(unit_id)s::bigint[], %(generation)s::int[]) AS a(unit_id, generation)
JOIN unit_keys k USING (unit_id, generation)
ORDER BY k.unit_id, k.generation FOR NO KEY UPDATE OF k;

-- name: known_keys
-- Which of these were stored before, on whatever day. Asked only for frames whose counter proves nothing.
SELECT a.unit_id, a.boot, a.seq
FROM unnest(%(unit_id)s::bigint[], %(boot)s::bigint[], %(seq)s::bigint[]) AS a(unit_id, boot, seq)
WHERE EXISTS (SELECT 1 FROM readings r WHERE r.unit_id = a.unit_id AND r.boot = a.boot AND r.seq = a.seq)
   OR EXISTS (SELECT 1 FROM unit_events e WHERE e.unit_id = a.unit_id AND e.boot = a.boot AND e.seq = a.seq);

-- name: keep_readings
-- A heartbeat that is sent again after midnight has the key of the day before: hence the look at that day.
INSERT INTO readings (day, unit_id, boot, seq, municipality_id, received_at, next_due_s, transport, bearer, battery,
                      signal, attempts, flags, open_presses, refused, operator, radio, status)
SELECT (t.received_at AT TIME ZONE 'UTC')::date, t.*
FROM unnest(
    %(unit_id)s::bigint[], %(boot)s::bigint[], %(seq)s::bigint[], %(municipality_id)s::int[],
    %(received_at)s::timestamptz[], %(next_due_s)s::bigint[], %(transport)s::text[], %(bearer)s::int[],
    %(battery)s::int[], %(signal)s::int[], %(attempts)s::int[], %(flags)s::int[], %(open_presses)s::int[],
    %(refused)s::bigint[], %(operator)s::bigint[], %(radio)s::int[], %(status)s::bytea[]
) AS t(unit_id, boot, seq, municipality_id, received_at, next_due_s, transport, bearer, battery, signal, attempts,
       flags, open_presses, refused, operator, radio, status)
WHERE NOT EXISTS (SELECT 1 FROM readings r WHERE r.unit_id = t.unit_id AND r.boot = t.boot AND r.seq = t.seq
                  AND r.day = %(day_before)s)
ON CONFLICT DO NOTHING
RETURNING unit_id, boot, seq;

-- name: keep_events
INSERT INTO unit_events (unit_id, boot, seq, municipality_id, received_at, kind, age_s, about_boot, about_seq, data, raw)
SELECT t.*
FROM unnest(
    %(unit_id)s::bigint[], %(boot)s::bigint[], %(seq)s::bigint[], %(municipality_id)s::int[],
    %(received_at)s::timestamptz[], %(kind)s::int[], %(age_s)s::bigint[], %(about_boot)s::bigint[],
    %(about_seq)s::bigint[], %(data)s::bytea[], %(raw)s::bytea[]
) AS t(unit_id, boot, seq, municipality_id, received_at, kind, age_s, about_boot, about_seq, data, raw)
ON CONFLICT DO NOTHING
RETURNING unit_id, boot, seq;

-- name: raise_counters
UPDATE unit_keys k SET counter_high = a.counter
FROM unnest(%(unit_id)s::bigint[], %(generation)s::int[], %(counter)s::bigint[]) AS a(unit_id, generation, counter)
WHERE k.unit_id = a.unit_id AND k.generation = a.generation AND k.counter_high < a.counter;

-- name: believe_again
-- What these units sealed until now and we do not know may be a recording: only what comes after this counts as late.
UPDATE unit_keys SET restored_at = NULL, window_from = counter_high + 1
WHERE unit_id = ANY (%(units)s::bigint[]) AND restored_at IS NOT NULL;

-- name: end_generations
-- The first verified use of a generation ends those before it.
WITH ended AS (
    UPDATE unit_keys k SET ended_at = %(at)s
    FROM unnest(%(unit_id)s::bigint[], %(generation)s::int[]) AS a(unit_id, generation)
    WHERE k.unit_id = a.unit_id AND k.generation < a.generation AND k.ended_at IS NULL
    RETURNING k.unit_id
)
SELECT pg_notify('livlina_units', lpad(to_hex(e.unit_id), 8, '0')) FROM (SELECT DISTINCT unit_id FROM ended) e;

-- name: next_mark
UPDATE database_mark SET mark = greatest(mark, %(known)s::bigint) + 1 RETURNING mark;

-- name: mark
SELECT mark FROM database_mark FOR UPDATE;

-- name: keep_states
-- The present state of units: what a message does not say stays as it was, what is older changes nothing. One that
-- comes by another SIM and names no network is on the one that this SIM was last seen on, never on the other SIM's.
INSERT INTO unit_states AS s (
    unit_id, municipality_id, seen_at, due_at, boot, seq, transport, address, bearer, battery, signal, flags,
    attempts, open_presses, refused, operator, radio, interval_s
)
SELECT
    t.unit_id, t.municipality_id, t.seen_at, t.due_at, t.boot, t.seq, t.transport, t.address, t.bearer, t.battery,
    t.signal, t.flags, t.attempts, t.open_presses, t.refused, t.operator, t.radio, t.interval_s
FROM unnest(
    %(unit_id)s::bigint[], %(municipality_id)s::int[], %(seen_at)s::timestamptz[], %(due_at)s::timestamptz[],
    %(boot)s::bigint[], %(seq)s::bigint[], %(transport)s::text[], %(address)s::text[], %(bearer)s::int[],
    %(battery)s::int[], %(signal)s::int[], %(flags)s::int[], %(attempts)s::int[], %(open_presses)s::int[],
    %(refused)s::bigint[], %(operator)s::bigint[], %(radio)s::int[], %(interval_s)s::int[]
) AS t(
    unit_id, municipality_id, seen_at, due_at, boot, seq, transport, address, bearer, battery, signal, flags,
    attempts, open_presses, refused, operator, radio, interval_s
)
ORDER BY t.unit_id
ON CONFLICT (unit_id) DO UPDATE SET
    seen_at = excluded.seen_at, transport = excluded.transport, address = excluded.address,
    due_at = coalesce(excluded.due_at, s.due_at), boot = coalesce(excluded.boot, s.boot),
    seq = coalesce(excluded.seq, s.seq), bearer = coalesce(excluded.bearer, s.bearer),
    battery = coalesce(excluded.battery, s.battery), signal = coalesce(excluded.signal, s.signal),
    flags = coalesce(excluded.flags, s.flags), attempts = coalesce(excluded.attempts, s.attempts),
    open_presses = coalesce(excluded.open_presses, s.open_presses), refused = coalesce(excluded.refused, s.refused),
    interval_s = coalesce(excluded.interval_s, s.interval_s),
    (operator, radio) = (SELECT CASE WHEN m.other THEN p.operator ELSE coalesce(excluded.operator, s.operator) END,
                                CASE WHEN m.other THEN p.radio ELSE coalesce(excluded.radio, s.radio) END
                         FROM (SELECT excluded.operator IS NULL AND excluded.bearer IN (3, 4)
                                      AND excluded.bearer <> s.bearer AS other) m
                         LEFT JOIN LATERAL (
                             SELECT k.operator, k.radio FROM unit_paths k
                             WHERE m.other AND k.unit_id = excluded.unit_id AND k.slot = excluded.bearer - 2
                             ORDER BY k.seen_at DESC, k.operator, k.radio LIMIT 1) p ON true)
WHERE excluded.seen_at >= s.seen_at;

-- name: keep_notices
INSERT INTO security_notices AS n (unit_id, hour, municipality_id, stale, unproven, repeated, first_at, last_at)
SELECT t.unit_id, t.hour, t.municipality_id, t.stale, t.unproven, t.repeated, %(at)s, %(at)s
FROM unnest(%(unit_id)s::bigint[], %(hour)s::timestamptz[], %(municipality_id)s::int[], %(stale)s::bigint[],
            %(unproven)s::bigint[], %(repeated)s::bigint[]) AS t(unit_id, hour, municipality_id, stale, unproven, repeated)
ON CONFLICT (unit_id, hour) DO UPDATE SET
    stale = n.stale + excluded.stale, unproven = n.unproven + excluded.unproven,
    repeated = n.repeated + excluded.repeated, last_at = greatest(n.last_at, excluded.last_at);

-- name: notice_moves
-- A modem other than the unit's last one, or a SIM that is neither its last one nor registered with it. It blocks
-- nothing: a technician may have changed a card.
INSERT INTO security_notices AS n (unit_id, hour, municipality_id, moved, first_at, last_at)
SELECT s.unit_id, date_trunc('hour', t.at, 'UTC'), s.municipality_id, 1, t.at, t.at
FROM unnest(%(unit_id)s::bigint[], %(at)s::timestamptz[], %(imei)s::text[], %(iccid1)s::text[], %(iccid2)s::text[])
     AS t(unit_id, at, imei, iccid1, iccid2)
JOIN unit_states s USING (unit_id)
WHERE t.imei <> s.imei
   OR EXISTS (SELECT 1 FROM unnest(ARRAY[t.iccid1, t.iccid2], ARRAY[s.iccid1, s.iccid2], ARRAY[1, 2])
                            AS c(told, before, slot)
              LEFT JOIN unit_sims r ON r.unit_id = t.unit_id AND r.slot = c.slot
              WHERE c.told <> coalesce(c.before, r.iccid) AND c.told IS DISTINCT FROM r.iccid)
   OR EXISTS (SELECT 1 FROM unit_states o WHERE o.unit_id <> t.unit_id AND o.iccid1 = t.iccid1
              AND t.iccid1 IS DISTINCT FROM s.iccid1)
ON CONFLICT (unit_id, hour) DO UPDATE SET moved = n.moved + 1, last_at = greatest(n.last_at, excluded.last_at);

-- name: keep_statuses
-- A status lies beside the state, field by field; the row is there, keep_states has made it in this transaction.
UPDATE unit_states s SET
    status = t.status, status_at = t.at,
    version = coalesce(t.version, s.version), profile = coalesce(t.profile, s.profile),
    reboot = coalesce(t.reboot, s.reboot), heap_low = coalesce(t.heap_low, s.heap_low),
    temperature = coalesce(t.temperature, s.temperature), battery_mv = coalesce(t.battery_mv, s.battery_mv),
    supply_mv = coalesce(t.supply_mv, s.supply_mv), iccid1 = coalesce(t.iccid1, s.iccid1),
    iccid2 = coalesce(t.iccid2, s.iccid2), cell = coalesce(t.cell, s.cell), tac = coalesce(t.tac, s.tac),
    last_cause = coalesce(t.last_cause, s.last_cause), psm_active = coalesce(t.psm_active, s.psm_active),
    psm_tau = coalesce(t.psm_tau, s.psm_tau), edrx = coalesce(t.edrx, s.edrx),
    journal = coalesce(t.journal, s.journal), uptime = coalesce(t.uptime, s.uptime),
    modem = coalesce(t.modem, s.modem), imei = coalesce(t.imei, s.imei), clock = coalesce(t.clock, s.clock)
FROM unnest(
    %(unit_id)s::bigint[], %(at)s::timestamptz[], %(status)s::bytea[], %(version)s::text[], %(profile)s::bigint[],
    %(reboot)s::bigint[], %(heap_low)s::bigint[], %(temperature)s::int[], %(battery_mv)s::int[],
    %(supply_mv)s::int[], %(iccid1)s::text[], %(iccid2)s::text[], %(cell)s::bigint[], %(tac)s::int[],
    %(last_cause)s::bigint[], %(psm_active)s::bigint[], %(psm_tau)s::bigint[], %(edrx)s::bigint[],
    %(journal)s::bytea[], %(uptime)s::bigint[], %(modem)s::text[], %(imei)s::text[], %(clock)s::bigint[]
) AS t(
    unit_id, at, status, version, profile, reboot, heap_low, temperature, battery_mv, supply_mv, iccid1, iccid2,
    cell, tac, last_cause, psm_active, psm_tau, edrx, journal, uptime, modem, imei, clock
)
WHERE s.unit_id = t.unit_id AND (s.status_at IS NULL OR s.status_at <= t.at);

-- name: addresses
-- Where CoAP units were last heard from, for a process that has not heard them itself.
SELECT unit_id, address FROM unit_states
WHERE unit_id = ANY (%(units)s::bigint[]) AND transport = 'coap' AND address IS NOT NULL;

-- name: units_with_open_cases
SELECT DISTINCT unit_id FROM cases WHERE state <> 'closed';

-- name: certificates
-- The certificates among these that count: registered, not revoked, of an active unit.
SELECT c.fingerprint, c.unit_id, c.municipality_id
FROM unit_certificates c JOIN units u USING (unit_id)
WHERE c.fingerprint = ANY (%(fingerprints)s::bytea[]) AND c.revoked_at IS NULL AND u.state = 'active';

-- name: resume_sessions
-- Every part of a statement sees the state before it, so `before` says what the insert found.
WITH asked AS (
    SELECT * FROM unnest(%(unit_id)s::bigint[], %(municipality_id)s::int[]) AS a(unit_id, municipality_id)
), before AS (
    SELECT s.unit_id, s.subscribed FROM mqtt_sessions s JOIN asked USING (unit_id)
), kept AS (
    INSERT INTO mqtt_sessions (unit_id, municipality_id) SELECT unit_id, municipality_id FROM asked ORDER BY unit_id
    ON CONFLICT (unit_id) DO UPDATE SET connected_at = now()
)
SELECT a.unit_id, b.unit_id IS NOT NULL AS present, coalesce(b.subscribed, false) AS subscribed
FROM asked a LEFT JOIN before b USING (unit_id);

-- name: end_sessions
DELETE FROM mqtt_sessions WHERE unit_id = ANY (%(units)s::bigint[]);

-- name: note_subscriptions
UPDATE mqtt_sessions s SET subscribed = t.subscribed
FROM unnest(%(unit_id)s::bigint[], %(subscribed)s::boolean[]) AS t(unit_id, subscribed)
WHERE s.unit_id = t.unit_id;

-- name: owe_effects
INSERT INTO case_effects (municipality_id, unit_id, effect, boot, seq, input, at)
SELECT u.municipality_id, t.*
FROM unnest(%(unit_id)s::bigint[], %(effect)s::text[], %(boot)s::bigint[], %(seq)s::bigint[], %(input)s::bigint[],
            %(at)s::timestamptz[]) AS t(unit_id, effect, boot, seq, input, at)
JOIN units u USING (unit_id);

-- name: owe_positions
-- Of units that tell where they are after an alarm or in a search; of others a position is kept and goes nowhere.
WITH owed AS (
    INSERT INTO case_positions (unit_id, boot, seq, municipality_id, received_at, about_boot, about_seq)
    SELECT t.*
    FROM unnest(%(unit_id)s::bigint[], %(boot)s::bigint[], %(seq)s::bigint[], %(municipality_id)s::int[],
                %(received_at)s::timestamptz[], %(about_boot)s::bigint[], %(about_seq)s::bigint[])
         AS t(unit_id, boot, seq, municipality_id, received_at, about_boot, about_seq)
    JOIN units u USING (unit_id) WHERE u.unit_type IN ('personal', 'tracker')
    ON CONFLICT DO NOTHING
    RETURNING unit_id
)
SELECT pg_notify('livlina_positions', '') FROM owed LIMIT 1;

-- name: claim_effect
SELECT effect_id, unit_id, effect, boot, seq, input, at FROM case_effects
WHERE failed_at IS NULL OR failed_at <= %(before)s
ORDER BY effect_id LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: effect_done
DELETE FROM case_effects WHERE effect_id = %(effect_id)s;

-- name: effect_failed
UPDATE case_effects SET failed_at = %(at)s WHERE effect_id = %(effect_id)s;

-- name: unit_state
SELECT s.*, u.unit_type, u.state AS registered, u.municipality_id AS municipality
FROM units u LEFT JOIN unit_states s USING (unit_id) WHERE u.unit_id = %(unit_id)s;

-- name: partitions_ahead
SELECT livlina_partitions_ahead(7) AS made;
