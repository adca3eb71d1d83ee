-- SMS gateways.

-- name: gateways
SELECT name, municipality_id, token_hash, send_url, send_secret, made_at FROM sms_gateways ORDER BY name;

-- name: add_gateway
INSERT INTO sms_gateways (name, municipality_id, token_hash, send_url, send_secret, made_at)
VALUES (%(name)s, %(municipality_id)s, %(token_hash)s, %(send_url)s, %(send_secret)s, %(at)s)
ON CONFLICT (name) DO UPDATE SET
    municipality_id = excluded.municipality_id, token_hash = excluded.token_hash, send_url = excluded.send_url,
    send_secret = excluded.send_secret, made_at = excluded.made_at;

-- name: remove_gateway
DELETE FROM sms_gateways WHERE name = %(name)s RETURNING name;
