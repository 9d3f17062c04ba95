-- $1 id
SELECT id::text, user_id::text, conversation_id::text, state, name, mime_type, size, media, reason, expires_at > now() AS standing
FROM media.uploads
WHERE id = $1
