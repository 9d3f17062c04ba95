-- Unread messages of users, in each of their conversations. $1 users, $2 most conversations of each, or null for all
SELECT u.id::text AS user_id, c.id::text AS conversation_id,
       CASE WHEN c.user_low = u.id THEN c.unread_low ELSE c.unread_high END AS unread,
       c.version
FROM unnest($1::uuid[]) AS u (id)
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT id, user_low, unread_low, unread_high, version FROM messaging.conversations WHERE user_low = u.id AND version > 0
        UNION ALL
        SELECT id, user_low, unread_low, unread_high, version FROM messaging.conversations WHERE user_high = u.id AND version > 0
    ) mine
    LIMIT $2
) c
