-- The last message of each conversation at a time: what a reader could see then. $1 conversations, $2 times
SELECT COALESCE((
    SELECT seq FROM messaging.messages
    WHERE conversation_id = g.conversation_id AND created_at <= g.at
    ORDER BY seq DESC
    LIMIT 1
), 0)
FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS g (conversation_id, at, position)
ORDER BY g.position
