-- Lock the uploads of messages in the order of their ids. Of two messages for one upload, the second waits, and then sees the
-- first one's change. $1 upload ids
SELECT id::text, user_id::text, conversation_id::text, state, media, message_seq, message_key
FROM media.uploads
WHERE id = ANY ($1::uuid[])
ORDER BY id
FOR NO KEY UPDATE
