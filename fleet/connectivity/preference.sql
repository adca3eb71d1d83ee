-- What units have told of their SIMs of late. `units` are those of one change.

-- name: signals
-- The mean of a day: a SIM is not preferred for one good minute. Bearers 3 and 4 are SIM 1 and 2 (docs/wire.md).
SELECT unit_id, bearer - 2 AS slot, round(avg(signal))::int AS signal FROM readings
WHERE day >= (%(since)s::timestamptz)::date AND received_at >= %(since)s AND bearer IN (3, 4) AND signal IS NOT NULL
  AND unit_id = ANY (%(units)s::bigint[])
GROUP BY unit_id, bearer;

-- name: told
SELECT unit_id, kind, received_at, data FROM unit_events
WHERE unit_id = ANY (%(units)s::bigint[]) AND kind = ANY (%(kinds)s::int[])
  AND received_at > %(since)s::timestamptz AND received_at <= %(at)s::timestamptz
ORDER BY received_at, unit_id, boot, seq;
