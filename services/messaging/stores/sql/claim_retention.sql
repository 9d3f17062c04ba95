-- The state of the search for expired messages, locked for this transaction; no row while another replica works on a batch,
-- or before the next round is due.
SELECT after::text, pending
FROM messaging.retention
WHERE due_at <= now() OR pending IS NOT NULL
FOR UPDATE SKIP LOCKED
