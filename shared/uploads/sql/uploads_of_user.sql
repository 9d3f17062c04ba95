-- A user's uploads that aren't deleted, for export: the next ones in the order of their ids.
-- $1 user, $2 the last id that was exported, $3 how many at most
SELECT id::text, conversation_id::text, state, name, mime_type, size, reserved_at
FROM media.uploads
WHERE user_id = $1::uuid AND id > $2::uuid AND state NOT IN ('released', 'deleted', 'rejected')
ORDER BY id
LIMIT $3
