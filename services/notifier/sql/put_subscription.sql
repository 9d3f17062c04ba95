-- Register a browser, or move it to this user. An endpoint is bound to one VAPID key for life (RFC 8292, section 4): a known
-- endpoint keeps its key unless the client names another one, or the browser's own keys show that it is a new subscription. $1 id
-- if new, $2 user, $3 endpoint, $4 p256dh, $5 auth, $6 current key id, $7 key id that the client named or null, $8 expiry or
-- null, $9 when the token of the request was issued
INSERT INTO notifier.subscriptions AS s (id, user_id, endpoint, p256dh, auth, key_id, expires_at, token_issued_at)
VALUES ($1::uuid, $2::uuid, $3, $4, $5, COALESCE($7, $6), $8, $9)
ON CONFLICT (endpoint) DO UPDATE SET
    user_id         = EXCLUDED.user_id,
    p256dh          = EXCLUDED.p256dh,
    auth            = EXCLUDED.auth,
    key_id          = COALESCE($7, CASE WHEN s.p256dh = EXCLUDED.p256dh THEN s.key_id ELSE $6 END),
    expires_at      = EXCLUDED.expires_at,
    token_issued_at = EXCLUDED.token_issued_at,
    updated_at      = now()
