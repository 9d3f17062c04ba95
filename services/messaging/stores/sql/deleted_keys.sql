-- Which of these messages were stored and then deleted. $1 conversations, $2 senders, $3 keys: one of each for each message
--
-- Returns their indexes, from 1. LATERAL … LIMIT 1 as in append.sql.
SELECT g.position
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) WITH ORDINALITY AS g (conversation_id, sender_id, key, position)
CROSS JOIN LATERAL (
    SELECT deleted_at FROM messaging.messages
    WHERE conversation_id = g.conversation_id AND sender_id = g.sender_id AND key = g.key
    LIMIT 1
) m
WHERE m.deleted_at IS NOT NULL
