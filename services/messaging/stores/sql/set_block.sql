-- Block or unblock. A repetition changes nothing and keeps the time. $1 blocker, $2 blocked, $3 active
INSERT INTO messaging.blocks AS b (blocker, blocked, active, changed_at)
VALUES ($1, $2, $3, now())
ON CONFLICT (blocker, blocked) DO UPDATE SET
    version    = CASE WHEN b.active = EXCLUDED.active THEN b.version ELSE EXCLUDED.version END,
    changed_at = CASE WHEN b.active = EXCLUDED.active THEN b.changed_at ELSE EXCLUDED.changed_at END,
    active     = EXCLUDED.active
RETURNING version, changed_at
