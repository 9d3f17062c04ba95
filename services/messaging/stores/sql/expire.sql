-- Delete the expired beginning of a conversation's history, or $3 messages of it, with all that belongs to them.
-- Run while the conversation is locked, in a transaction. $1 conversation, $2 messages before this time are expired,
-- $3 how many messages at most, $4 how many events an inbox may have
--
-- One row, none when nothing is expired: the first deleted seq and the last one, the participants with their unread counts and
-- whether these changed, the conversation's version, the id of the last message if it was deleted, and the seqs that inboxes may
-- still show. An inbox lives for as long as its user connects, and loses entries only to newer ones: so these are the messages
-- that $4 others don't follow yet, those that were edited or reacted to, whenever, and those that the newest $4 quote.
--
-- Only the beginning is deleted: a message that is younger (as those of a late import may be) keeps all messages after it.
-- The newest of each participant's marks that the other side sees stays: it shows how far the participant has read.
WITH conversation AS MATERIALIZED (
    SELECT * FROM messaging.conversations WHERE id = $1::uuid
), oldest AS MATERIALIZED (
    SELECT m.seq, m.created_at
    FROM conversation c
    CROSS JOIN LATERAL (
        SELECT seq, created_at FROM messaging.messages
        WHERE conversation_id = c.id AND seq >= c.first_seq AND seq < c.first_seq + $3
        ORDER BY seq
        LIMIT $3
    ) m
), part AS MATERIALIZED (
    SELECT c.first_seq AS first, COALESCE(min(o.seq) FILTER (WHERE o.created_at >= $2) - 1, max(o.seq)) AS last
    FROM conversation c
    JOIN oldest o ON true
    GROUP BY c.first_seq
), gone AS MATERIALIZED (
    SELECT m.place, m.seq, m.id, m.sender_id, m.deleted_at,
           m.seq > c.last_seq - $4::bigint OR m.edited_at IS NOT NULL AS may_be_shown
    FROM part p
    CROSS JOIN conversation c
    CROSS JOIN LATERAL (
        SELECT ctid AS place, * FROM messaging.messages
        WHERE conversation_id = $1::uuid AND seq BETWEEN p.first AND p.last
        ORDER BY seq
        LIMIT $3
    ) m
), without_messages AS (
    DELETE FROM messaging.messages m USING gone g
    WHERE m.ctid = g.place AND m.conversation_id = $1::uuid AND m.seq = g.seq
), without_revisions AS (
    DELETE FROM messaging.revisions r USING part p WHERE r.conversation_id = $1::uuid AND r.seq BETWEEN p.first AND p.last
), without_reactions AS (
    DELETE FROM messaging.reactions r USING part p WHERE r.conversation_id = $1::uuid AND r.seq BETWEEN p.first AND p.last
    RETURNING r.seq
), without_receipts AS (
    DELETE FROM messaging.receipts r
    USING part p, conversation c
    WHERE r.conversation_id = $1::uuid AND r.user_id IN (c.user_low, c.user_high) AND r.seq <= p.last
        AND EXISTS (
            SELECT FROM messaging.receipts n
            WHERE n.conversation_id = r.conversation_id AND n.user_id = r.user_id AND n.read = r.read AND n.seq > r.seq
                AND NOT n.silent
        )
), unread AS MATERIALIZED (
    SELECT count(*) FILTER (
               WHERE g.seq > GREATEST(c.read_low, c.cleared_low) AND g.sender_id <> c.user_low AND g.deleted_at IS NULL
           ) AS low,
           count(*) FILTER (
               WHERE g.seq > GREATEST(c.read_high, c.cleared_high) AND g.sender_id <> c.user_high AND g.deleted_at IS NULL
           ) AS high
    FROM conversation c
    LEFT JOIN gone g ON true
), advanced AS (
    UPDATE messaging.conversations c
    SET first_seq = p.last + 1, version = c.version + 1,
        unread_low = GREATEST(c.unread_low - u.low, 0), unread_high = GREATEST(c.unread_high - u.high, 0)
    FROM part p, unread u
    WHERE c.id = $1::uuid AND p.last >= p.first
)
SELECT p.first, p.last, c.user_low::text, c.user_high::text,
       GREATEST(c.unread_low - u.low, 0) AS unread_low, GREATEST(c.unread_high - u.high, 0) AS unread_high,
       u.low > 0 AND c.unread_low > 0 AS changed_low, u.high > 0 AND c.unread_high > 0 AS changed_high,
       c.version + 1 AS version,
       (SELECT g.id::text FROM gone g WHERE g.seq = c.last_seq) AS last_message,
       ARRAY(
           SELECT g.seq FROM gone g WHERE g.may_be_shown
           UNION
           SELECT r.seq FROM without_reactions r
           UNION
           SELECT m.reply_to
           FROM (
               SELECT reply_to FROM messaging.messages
               WHERE conversation_id = c.id AND seq > GREATEST(p.last, c.last_seq - $4::bigint)
               ORDER BY seq
               LIMIT $4::bigint
           ) m
           WHERE m.reply_to BETWEEN p.first AND p.last
       ) AS shown
FROM part p, conversation c, unread u
WHERE p.last >= p.first
