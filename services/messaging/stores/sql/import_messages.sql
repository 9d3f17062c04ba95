-- Store messages with their own times, in the given order, without events. They count as read and delivered where nothing else is
-- unread. $1 message ids, $2 conversations, $3 senders, $4 keys, $5 types, $6 contents, $7 media, $8 metadata, $9 times: one of
-- each for each message; no (conversation, sender, key) twice. Run while the conversations are locked, in a transaction.
--
-- A row for each message, in the given order: whether it is new.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[],
                $9::timestamptz[]) WITH ORDINALITY
        AS g (id, conversation_id, sender_id, key, type, content, media, metadata, at, position)
), judged AS MATERIALIZED (
    SELECT g.*, m.seq IS NULL AS is_new
    FROM given g
    LEFT JOIN LATERAL (
        SELECT seq FROM messaging.messages
        WHERE conversation_id = g.conversation_id AND sender_id = g.sender_id AND key = g.key
        LIMIT 1
    ) m ON true
), fresh AS MATERIALIZED (
    SELECT j.*, c.last_seq + row_number() OVER (PARTITION BY j.conversation_id ORDER BY j.position) AS seq
    FROM judged j
    JOIN messaging.conversations c ON c.id = j.conversation_id
    WHERE j.is_new
), inserted AS (
    INSERT INTO messaging.messages
        (conversation_id, seq, id, sender_id, created_at, type, key, content, media, metadata)
    SELECT conversation_id, seq, id, sender_id, at, type, key, content, media, metadata
    FROM fresh
), ends AS MATERIALIZED (
    SELECT conversation_id, max(seq) AS last_seq, max(at) AS at FROM fresh GROUP BY conversation_id
), read AS (
    INSERT INTO messaging.receipts (conversation_id, user_id, seq, read, silent, at)
    SELECT c.id, side.user_id, e.last_seq, mark.read, false, e.at
    FROM ends e
    JOIN messaging.conversations c ON c.id = e.conversation_id
    CROSS JOIN LATERAL (VALUES (c.user_low, c.unread_low), (c.user_high, c.unread_high)) side (user_id, unread)
    CROSS JOIN (VALUES (true), (false)) mark (read)
    WHERE side.unread = 0
    ON CONFLICT DO NOTHING
), advanced AS (
    UPDATE messaging.conversations c
    SET last_seq = e.last_seq, version = c.version + 1, updated_at = GREATEST(c.updated_at, e.at),
        read_low = CASE WHEN c.unread_low = 0 THEN e.last_seq ELSE c.read_low END,
        read_high = CASE WHEN c.unread_high = 0 THEN e.last_seq ELSE c.read_high END,
        read_low_at = CASE WHEN c.unread_low = 0 THEN e.at ELSE c.read_low_at END,
        read_high_at = CASE WHEN c.unread_high = 0 THEN e.at ELSE c.read_high_at END,
        delivered_low = CASE WHEN c.unread_low = 0 THEN e.last_seq ELSE c.delivered_low END,
        delivered_high = CASE WHEN c.unread_high = 0 THEN e.last_seq ELSE c.delivered_high END
    FROM ends e
    WHERE c.id = e.conversation_id
)
SELECT is_new FROM judged ORDER BY position
