-- The participants of conversations, and whether a block is in force. $1 conversations
SELECT id::text, user_low::text, user_high::text, blocked
FROM messaging.conversations
WHERE id = ANY ($1::uuid[])
