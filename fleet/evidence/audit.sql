-- The record of actions. Whoever may insert may not read: a duty writes its record and sees nobody else's.

-- name: record
INSERT INTO audit_records (municipality_id, at, actor, action, subject, detail)
VALUES (%(municipality_id)s, %(at)s, %(actor)s, %(action)s, %(subject)s, %(detail)s);
