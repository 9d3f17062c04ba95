-- Block or unblock. Returns one row when that changes something. A repetition changes nothing, and neither does a command that
-- was issued before the last one about this pair. $1 blocker, $2 blocked, $3 active, $4 when it was issued (Unix ms; 0: unknown)
INSERT INTO messaging.blocks AS b (blocker, blocked, active, changed_at, issued_ms)
VALUES ($1, $2, $3, now(), $4)
ON CONFLICT (blocker, blocked) DO UPDATE
SET version = EXCLUDED.version, changed_at = EXCLUDED.changed_at, active = EXCLUDED.active, issued_ms = EXCLUDED.issued_ms
WHERE b.active <> EXCLUDED.active AND (EXCLUDED.issued_ms = 0 OR EXCLUDED.issued_ms >= b.issued_ms)
RETURNING version, changed_at
