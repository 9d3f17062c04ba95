-- Set a user's push settings. $1 user, $2 preview, $3 time zone or null, $4 and $5 quiet from and to or null, $6 muted until or
-- null
INSERT INTO notifier.push_settings (user_id, preview, time_zone, quiet_from, quiet_to, muted_until)
VALUES ($1::uuid, $2, $3, $4, $5, $6)
ON CONFLICT (user_id) DO UPDATE SET
    preview     = EXCLUDED.preview,
    time_zone   = EXCLUDED.time_zone,
    quiet_from  = EXCLUDED.quiet_from,
    quiet_to    = EXCLUDED.quiet_to,
    muted_until = EXCLUDED.muted_until,
    updated_at  = now()
