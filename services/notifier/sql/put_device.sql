-- Register a native device, or move it to this user.
-- $1 id if new, $2 user, $3 platform, $4 token, $5 app or null, $6 when the token of the request was issued
INSERT INTO notifier.devices (id, user_id, platform, token, app, token_issued_at)
VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6)
ON CONFLICT (platform, token) DO UPDATE SET
    user_id         = EXCLUDED.user_id,
    app             = EXCLUDED.app,
    token_issued_at = EXCLUDED.token_issued_at,
    updated_at      = now()
