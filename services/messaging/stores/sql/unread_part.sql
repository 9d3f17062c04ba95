-- A part of a user's unread counts, in the order of conversation ids. $1 user, $2 after this conversation, $3 how many
SELECT id::text, unread, version
FROM (
    SELECT id, unread_low AS unread, version FROM messaging.conversations WHERE user_low = $1 AND version > 0 AND id > $2
    UNION ALL
    SELECT id, unread_high, version FROM messaging.conversations WHERE user_high = $1 AND version > 0 AND id > $2
) mine
ORDER BY id
LIMIT $3
