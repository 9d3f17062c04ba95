-- Keep only the native devices that a user registered last. $1 user, $2 how many
DELETE FROM notifier.devices
WHERE id IN (
    SELECT id FROM notifier.devices
    WHERE user_id = $1::uuid
    ORDER BY updated_at DESC, id DESC
    OFFSET $2
)
