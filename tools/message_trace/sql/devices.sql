-- What the receiver gets pushes on: $1 user.
SELECT id::text FROM notifier.subscriptions WHERE user_id = $1::uuid
UNION ALL
SELECT id::text FROM notifier.devices WHERE user_id = $1::uuid
