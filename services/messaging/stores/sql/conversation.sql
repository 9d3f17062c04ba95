-- A conversation as one of its participants sees it; no row for anybody else. $1 user, $2 conversation
SELECT c.id::text, c.last_seq, CASE WHEN c.user_low = $1 THEN c.unread_low ELSE c.unread_high END AS unread, c.updated_at,
       c.user_low::text, low.username, low.display_name, low.avatar,
       c.user_high::text, high.username, high.display_name, high.avatar
FROM messaging.conversations c
LEFT JOIN directory.users low ON low.id = c.user_low
LEFT JOIN directory.users high ON high.id = c.user_high
WHERE c.id = $2 AND $1 IN (c.user_low, c.user_high)
