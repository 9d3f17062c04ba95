-- A user's conversations, newest first. $1 user, $2 how many, $3 and $4 updated_at and id to begin after, or null
--
-- Sorted when asked for: an index by time would have to change with each message.
SELECT c.id::text, c.last_seq, c.unread, c.updated_at,
       c.user_low::text, low.username, low.display_name, low.avatar,
       c.user_high::text, high.username, high.display_name, high.avatar
FROM (
    SELECT *
    FROM (
        SELECT id, user_low, user_high, last_seq, unread_low AS unread, updated_at
        FROM messaging.conversations
        WHERE user_low = $1
        UNION ALL
        SELECT id, user_low, user_high, last_seq, unread_high, updated_at
        FROM messaging.conversations
        WHERE user_high = $1
    ) mine
    WHERE $3::timestamptz IS NULL OR (updated_at, id) < ($3, $4::uuid)
    ORDER BY updated_at DESC, id DESC
    LIMIT $2
) c
LEFT JOIN directory.users low ON low.id = c.user_low
LEFT JOIN directory.users high ON high.id = c.user_high
ORDER BY c.updated_at DESC, c.id DESC
