-- Messages by place, as their viewers may see them.
-- $1 viewers (participants), $2 conversations, $3 seqs: one of each for each message
--
-- A deleted message has only its seq and times. Of a message that the viewer has cleared, a reply quotes only the seq.
--
-- The receiver read it at the first of its marks at or after the seq. Marks that were set while a block was in force stay
-- private. LATERAL … LIMIT 1 as in append.sql.
SELECT c.version, m.conversation_id::text, u.username, u.display_name, u.avatar, read.at AS read_at, delivered.at AS delivered_at,
       m.seq, m.id::text, m.sender_id::text, m.type, m.content, m.media, m.created_at,
       m.reply_to, m.metadata, m.edited_at, m.deleted_at,
{{QUOTE_AND_REACTIONS}}
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) WITH ORDINALITY AS w (viewer_id, conversation_id, seq, position)
CROSS JOIN LATERAL (
    SELECT * FROM messaging.messages
    WHERE conversation_id = w.conversation_id AND seq BETWEEN w.seq AND w.seq
    ORDER BY seq
    LIMIT 1
) m
CROSS JOIN LATERAL (
    SELECT user_low, user_high, version, CASE WHEN user_low = w.viewer_id THEN cleared_low ELSE cleared_high END AS cleared_seq
    FROM messaging.conversations WHERE id = w.conversation_id LIMIT 1
) c
CROSS JOIN LATERAL (
    -- Both participants receive a system message, and each sees its own marks.
    SELECT CASE m.sender_id WHEN c.user_low THEN c.user_high WHEN c.user_high THEN c.user_low ELSE w.viewer_id END AS id
) receiver
LEFT JOIN LATERAL (SELECT username, display_name, avatar FROM directory.users WHERE id = m.sender_id LIMIT 1) u ON true
LEFT JOIN LATERAL (
    SELECT r.at
    FROM messaging.receipts r
    WHERE r.conversation_id = m.conversation_id AND r.user_id = receiver.id AND r.read AND r.seq >= m.seq
        AND (NOT r.silent OR w.viewer_id = receiver.id)
    ORDER BY r.seq
    LIMIT 1
) read ON true
LEFT JOIN LATERAL (
    SELECT r.at
    FROM messaging.receipts r
    WHERE r.conversation_id = m.conversation_id AND r.user_id = receiver.id AND NOT r.read AND r.seq >= m.seq
        AND (NOT r.silent OR w.viewer_id = receiver.id)
    ORDER BY r.seq
    LIMIT 1
) delivered ON true
ORDER BY w.position
