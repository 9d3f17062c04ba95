-- Who talks in conversations, and whether a block stands. $1 conversations
SELECT id::text, user_low::text, user_high::text, blocked
FROM messaging.conversations
WHERE id = ANY ($1::uuid[])
