-- Mute or unmute a conversation of a user, unless a newer version is stored.
-- $1 user, $2 conversation, $3 until when or null, $4 version
INSERT INTO notifier.muted_conversations AS m (user_id, conversation_id, muted_until, version)
VALUES ($1::uuid, $2::uuid, $3, $4)
ON CONFLICT (user_id, conversation_id) DO UPDATE SET
    muted_until = EXCLUDED.muted_until,
    version     = EXCLUDED.version
WHERE m.version < EXCLUDED.version
