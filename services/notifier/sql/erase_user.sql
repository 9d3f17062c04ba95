-- Delete all data of a user. $1 user
WITH devices AS (
    DELETE FROM notifier.devices WHERE user_id = $1::uuid
), settings AS (
    DELETE FROM notifier.push_settings WHERE user_id = $1::uuid
), mutes AS (
    DELETE FROM notifier.muted_conversations WHERE user_id = $1::uuid
)
DELETE FROM notifier.subscriptions WHERE user_id = $1::uuid
