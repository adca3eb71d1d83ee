-- Supervision writes into the record when an incident reaches a municipality, and when it is over there.
GRANT INSERT ON audit_records, audit_queue TO livlina_supervise;
