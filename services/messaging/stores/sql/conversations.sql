-- Conversations as one of their participants sees them; no row for one that is not the user's. $1 user, $2 conversations
--
-- The other side's marks are those that this user may see: marks that were set while a block was in force stay private.
SELECT c.id::text, c.last_seq, c.first_seq, c.updated_at,
       CASE WHEN is_low THEN c.unread_low ELSE c.unread_high END AS unread,
       CASE WHEN is_low THEN c.muted_low_until ELSE c.muted_high_until END AS muted_until,
       CASE WHEN is_low THEN c.archived_low ELSE c.archived_high END AS archived,
       CASE WHEN is_low THEN c.pinned_low ELSE c.pinned_high END AS pinned,
       CASE WHEN is_low THEN c.marked_low ELSE c.marked_high END AS marked_unread,
       CASE WHEN is_low THEN c.cleared_low ELSE c.cleared_high END AS cleared_seq,
       CASE WHEN is_low THEN c.read_low ELSE c.read_high END AS read_seq,
       CASE WHEN is_low THEN GREATEST(c.read_low, c.delivered_low) ELSE GREATEST(c.read_high, c.delivered_high)
           END AS delivered_seq,
       COALESCE(seen.seq, 0) AS other_read_seq,
       GREATEST(seen.seq, received.seq, 0) AS other_delivered_seq,
       $1::uuid::text AS own_id, own.username AS own_username, own.display_name AS own_display_name, own.avatar AS own_avatar,
       side.other_id::text AS other_id, other.username AS other_username, other.display_name AS other_display_name,
       other.avatar AS other_avatar
FROM unnest($2::uuid[]) WITH ORDINALITY AS w (id, position)
CROSS JOIN LATERAL (SELECT * FROM messaging.conversations WHERE id = w.id LIMIT 1) c
CROSS JOIN LATERAL (
    SELECT $1::uuid = c.user_low AS is_low, CASE WHEN $1::uuid = c.user_low THEN c.user_high ELSE c.user_low END AS other_id
) side
LEFT JOIN LATERAL (
    SELECT seq FROM messaging.receipts
    WHERE conversation_id = c.id AND user_id = side.other_id AND read AND NOT silent
    ORDER BY seq DESC
    LIMIT 1
) seen ON true
LEFT JOIN LATERAL (
    SELECT seq FROM messaging.receipts
    WHERE conversation_id = c.id AND user_id = side.other_id AND NOT read AND NOT silent
    ORDER BY seq DESC
    LIMIT 1
) received ON true
LEFT JOIN LATERAL (SELECT * FROM directory.users WHERE id = $1::uuid LIMIT 1) own ON true
LEFT JOIN LATERAL (SELECT * FROM directory.users WHERE id = side.other_id LIMIT 1) other ON true
WHERE $1::uuid IN (c.user_low, c.user_high)
ORDER BY w.position
