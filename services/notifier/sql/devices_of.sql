-- The native devices of some users on some platforms. $1 user ids, $2 platforms
SELECT id::text, user_id::text, platform, token, app, token_issued_at, updated_at
FROM notifier.devices
WHERE user_id = ANY($1::uuid[]) AND platform = ANY($2::text[])
ORDER BY user_id ASC, updated_at DESC
