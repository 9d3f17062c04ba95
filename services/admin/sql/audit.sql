-- Add a row to the audit log: a call begins, or ends with a status.
-- $1 call, $2 subject, $3 action, $4 users, $5 how many users in all, $6 HTTP status or null
INSERT INTO admin.audit (call_id, subject, action, users, user_count, status)
VALUES ($1::uuid, $2, $3, $4::text[], $5, $6)
