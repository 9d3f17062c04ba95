-- A user's unread messages: in all conversations, and in each of the newest that have any. One row at least. $1 user, $2 how many
WITH mine AS MATERIALIZED (
    SELECT id, unread_low AS unread, updated_at FROM messaging.conversations WHERE user_low = $1 AND unread_low > 0
    UNION ALL
    SELECT id, unread_high, updated_at FROM messaging.conversations WHERE user_high = $1 AND unread_high > 0
)
SELECT t.total, m.id::text, m.unread
FROM (SELECT COALESCE(sum(unread), 0)::bigint AS total FROM mine) t
LEFT JOIN (SELECT * FROM mine ORDER BY updated_at DESC LIMIT $2) m ON true
ORDER BY m.updated_at DESC
