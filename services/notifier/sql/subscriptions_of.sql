-- The live subscriptions of some users. $1 user ids
SELECT id::text, user_id::text, endpoint, p256dh, auth, key_id,
       COALESCE(token_issued_at, updated_at) AS token_issued_at, updated_at
FROM notifier.subscriptions
WHERE user_id = ANY($1::uuid[]) AND (expires_at IS NULL OR expires_at > now())
ORDER BY user_id ASC, updated_at DESC
