-- Conversations as one of their participants sees them, each with its last message; no row for one that is not the user's.
-- $1 user, $2 conversations; or, as a page of the user's list, the parameters of conversation_list.sql, whose columns come first
--
-- The other side's marks are those that this user may see: marks that were set while a block was in force stay private.
-- The last message was read and delivered at its receiver's mark with its seq, because no mark is after the last message.
-- Where the other side's row says 0, it has no mark. Look-ups that few messages need are in CASE, so that the others don't
-- cost more. Quotes are as in history.sql.
SELECT {{PAGE}}
       c.id::text, c.last_seq, c.first_seq, c.updated_at,
       CASE WHEN is_low THEN c.unread_low ELSE c.unread_high END AS unread,
       CASE WHEN is_low THEN c.muted_low_until ELSE c.muted_high_until END AS muted_until,
       CASE WHEN is_low THEN c.archived_low ELSE c.archived_high END AS archived,
       CASE WHEN is_low THEN c.pinned_low ELSE c.pinned_high END AS pinned,
       CASE WHEN is_low THEN c.marked_low ELSE c.marked_high END AS marked_unread,
       side.cleared_seq,
       side.read_seq,
       GREATEST(side.read_seq, side.delivered_seq) AS delivered_seq,
       seen.seq AS other_read_seq, seen.at AS other_read_at,
       received.seq AS other_delivered_seq, received.at AS other_delivered_at,
       CASE WHEN side.read_seq >= c.last_seq THEN (
           SELECT at FROM messaging.receipts
           WHERE conversation_id = c.id AND user_id = $1 AND read AND seq = c.last_seq LIMIT 1
       ) END AS own_read_at,
       CASE WHEN side.delivered_seq >= c.last_seq THEN (
           SELECT at FROM messaging.receipts
           WHERE conversation_id = c.id AND user_id = $1 AND NOT read AND seq = c.last_seq LIMIT 1
       ) END AS own_delivered_at,
       (
           SELECT jsonb_build_array($1::uuid, username, display_name, avatar)::text FROM directory.users WHERE id = $1 LIMIT 1
       ) AS own,
       side.other_id::text AS other_id, other.username, other.display_name, other.avatar,
       m.seq, m.id::text AS message_id, m.sender_id::text, m.type, m.content, m.media, m.created_at,
       m.reply_to, m.metadata, m.edited_at, m.deleted_at,
{{QUOTE_AND_REACTIONS}}
FROM {{CONVERSATIONS}}
CROSS JOIN LATERAL (SELECT * FROM messaging.conversations WHERE id = w.id::uuid AND $1::uuid IN (user_low, user_high) LIMIT 1) c
CROSS JOIN LATERAL (
    SELECT $1::uuid = c.user_low AS is_low,
           CASE WHEN $1::uuid = c.user_low THEN c.user_high ELSE c.user_low END AS other_id,
           CASE WHEN $1::uuid = c.user_low THEN c.cleared_low ELSE c.cleared_high END AS cleared_seq,
           CASE WHEN $1::uuid = c.user_low THEN c.read_low ELSE c.read_high END AS read_seq,
           CASE WHEN $1::uuid = c.user_low THEN c.delivered_low ELSE c.delivered_high END AS delivered_seq,
           CASE WHEN $1::uuid = c.user_low THEN c.read_high ELSE c.read_low END AS others_read_seq,
           CASE WHEN $1::uuid = c.user_low THEN c.delivered_high ELSE c.delivered_low END AS others_delivered_seq
) side
LEFT JOIN LATERAL (
    SELECT seq, at FROM messaging.receipts
    WHERE side.others_read_seq > 0 AND conversation_id = c.id AND user_id = side.other_id AND read AND NOT silent
    ORDER BY seq DESC
    LIMIT 1
) seen ON true
LEFT JOIN LATERAL (
    SELECT seq, at FROM messaging.receipts
    WHERE side.others_delivered_seq > 0 AND conversation_id = c.id AND user_id = side.other_id AND NOT read AND NOT silent
    ORDER BY seq DESC
    LIMIT 1
) received ON true
LEFT JOIN LATERAL (
    SELECT * FROM messaging.messages
    WHERE c.last_seq > side.cleared_seq AND conversation_id = c.id AND seq BETWEEN c.last_seq AND c.last_seq
    ORDER BY seq
    LIMIT 1
) m ON true
LEFT JOIN LATERAL (SELECT username, display_name, avatar FROM directory.users WHERE id = side.other_id LIMIT 1) other ON true
ORDER BY w.position
