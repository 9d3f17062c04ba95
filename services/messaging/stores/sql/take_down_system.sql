-- Delete a message of the system. Participants for whom it was unread get a lower unread count.
-- $1 conversation, $2 seq, $3 the system's user id
--
-- Returns a row for each participant, in the columns of `delete.sql`; none when there is no such message.
WITH locked AS MATERIALIZED (
    SELECT id, user_low, user_high, version, unread_low, unread_high,
           $2 > GREATEST(read_low, cleared_low) AS is_unread_low, $2 > GREATEST(read_high, cleared_high) AS is_unread_high,
           date_trunc('milliseconds', now()) AS now
    FROM messaging.conversations
    WHERE id = $1::uuid
    FOR NO KEY UPDATE
), judged AS MATERIALIZED (
    SELECT l.*, m.place, m.id AS message_id, m.created_at, m.deleted_at, m.deleted_at IS NULL AS is_new
    FROM locked l
    CROSS JOIN LATERAL (
        SELECT ctid AS place, id, sender_id, created_at, deleted_at FROM messaging.messages
        WHERE conversation_id = l.id AND seq BETWEEN $2 AND $2
        ORDER BY seq
        LIMIT 1
    ) m
    WHERE m.sender_id = $3::uuid
), changed AS (
    UPDATE messaging.messages m
    SET content = NULL, media = NULL, metadata = NULL, reply_to = NULL, reacted = NULL, deleted_at = j.now,
        sent_hash = COALESCE(m.sent_hash, messaging.body_hash(m.id, m.type, m.content, m.media, m.reply_to, m.metadata))
    FROM judged j
    WHERE j.is_new AND m.ctid = j.place AND m.conversation_id = j.id AND m.seq = $2
), without_reactions AS (
    DELETE FROM messaging.reactions r USING judged j WHERE j.is_new AND r.conversation_id = j.id AND r.seq = $2
), advanced AS (
    UPDATE messaging.conversations c
    SET version = c.version + 1,
        unread_low = GREATEST(c.unread_low - j.is_unread_low::int, 0),
        unread_high = GREATEST(c.unread_high - j.is_unread_high::int, 0)
    FROM judged j
    WHERE j.is_new AND c.id = j.id
)
SELECT CASE WHEN is_new THEN 'deleted' ELSE 'repeated' END AS verdict,
       COALESCE(deleted_at, now) AS deleted_at, message_id::text, created_at, side.user_id::text AS other_id,
       GREATEST(side.unread - (is_new AND side.is_unread)::int, 0) AS unread, side.is_unread AS was_unread,
       version + is_new::int AS version, false AS blocked
FROM judged
CROSS JOIN LATERAL (
    VALUES (user_low, unread_low, is_unread_low), (user_high, unread_high, is_unread_high)
) side (user_id, unread, is_unread)
