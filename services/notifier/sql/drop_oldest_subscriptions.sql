-- Keep only the subscriptions that a user registered last. $1 user, $2 how many
DELETE FROM notifier.subscriptions
WHERE id IN (
    SELECT id FROM notifier.subscriptions
    WHERE user_id = $1::uuid
    ORDER BY updated_at DESC, id DESC
    OFFSET $2
)
