-- Append a message of the system, which is unread for both participants. A block doesn't stop it.
-- $1 message id, $2 conversation, $3 key, $4 type, $5 content or null, $6 media (jsonb) or null, $7 quoted seq or null,
-- $8 metadata (jsonb) or null, $9 the system's user id
--
-- One row, none when there is no such conversation: its verdict (new, repeated, duplicate_temp_id, message_not_found), seq and
-- time, the participants, their unread counts after it, the conversation's version, and whether the message before it is
-- younger than 5 seconds. A key that was committed while this waited for the lock makes the unique index refuse it.
WITH locked AS MATERIALIZED (
    SELECT id, user_low, user_high, last_seq, version, unread_low, unread_high,
           GREATEST(updated_at, date_trunc('milliseconds', now())) AS now,
           updated_at > now() - interval '5 seconds' AS lively
    FROM messaging.conversations
    WHERE id = $2::uuid
    FOR NO KEY UPDATE
), judged AS MATERIALIZED (
    SELECT l.*, m.seq AS repeated_seq, m.created_at AS repeated_at,
           CASE
               WHEN m.seq IS NULL AND $7::bigint IS NOT NULL AND quoted.seq IS NULL THEN 'message_not_found'
               WHEN m.seq IS NULL THEN 'new'
               WHEN COALESCE(m.sent_hash, messaging.body_hash(m.id, m.type, m.content, m.media, m.reply_to, m.metadata))
                   = messaging.body_hash(m.id, $4, $5, $6::jsonb, $7, $8::jsonb) THEN 'repeated'
               ELSE 'duplicate_temp_id'
           END AS verdict
    FROM locked l
    LEFT JOIN LATERAL (
        SELECT * FROM messaging.messages WHERE conversation_id = l.id AND sender_id = $9::uuid AND key = $3 LIMIT 1
    ) m ON true
    LEFT JOIN LATERAL (
        SELECT seq FROM messaging.messages
        WHERE conversation_id = l.id AND seq BETWEEN $7 AND $7 AND deleted_at IS NULL
        ORDER BY seq
        LIMIT 1
    ) quoted ON true
), inserted AS (
    INSERT INTO messaging.messages
        (conversation_id, seq, id, sender_id, created_at, type, key, content, media, reply_to, metadata)
    SELECT id, last_seq + 1, $1::uuid, $9::uuid, now, $4, $3, $5, $6::jsonb, $7, $8::jsonb
    FROM judged
    WHERE verdict = 'new'
), advanced AS (
    UPDATE messaging.conversations c
    SET last_seq = j.last_seq + 1, version = c.version + 1, updated_at = j.now,
        unread_low = c.unread_low + 1, unread_high = c.unread_high + 1, hidden_low = false, hidden_high = false,
        archived_low = c.archived_low AND COALESCE(c.muted_low_until > j.now, false),
        archived_high = c.archived_high AND COALESCE(c.muted_high_until > j.now, false)
    FROM judged j
    WHERE j.verdict = 'new' AND c.id = j.id
)
SELECT verdict, COALESCE(repeated_seq, last_seq + 1) AS seq, COALESCE(repeated_at, now) AS created_at,
       user_low::text, user_high::text,
       unread_low + (verdict = 'new')::int AS unread_low, unread_high + (verdict = 'new')::int AS unread_high,
       version + (verdict = 'new')::int AS version, lively
FROM judged
