-- The uploads that messages want to take, locked in the order of their ids: of two messages for one upload the second waits, and
-- then sees what the first one did. $1 upload ids
SELECT id::text, user_id::text, conversation_id::text, state, media, message_seq, message_key
FROM media.uploads
WHERE id = ANY ($1::uuid[])
ORDER BY id
FOR NO KEY UPDATE
