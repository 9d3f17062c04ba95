-- Messages by place, as their viewers may see them.
-- $1 viewers (participants), $2 conversations, $3 seqs: one of each for each message
--
-- Read by the receiver at the first of its marks at or beyond the seq; marks made while a block stood are the receiver's
-- own affair. Read implies delivered. LATERAL … LIMIT 1 as in append.sql.
SELECT m.id::text, m.conversation_id::text, m.seq, m.sender_id::text, m.type, m.content, m.media, m.created_at,
       u.username, u.display_name, u.avatar,
       read.at AS read_at,
       LEAST(read.at, delivered.at) AS delivered_at
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) WITH ORDINALITY AS w (viewer_id, conversation_id, seq, position)
CROSS JOIN LATERAL (
    SELECT * FROM messaging.messages WHERE conversation_id = w.conversation_id AND seq = w.seq LIMIT 1
) m
CROSS JOIN LATERAL (
    SELECT user_low, user_high FROM messaging.conversations WHERE id = w.conversation_id LIMIT 1
) c
CROSS JOIN LATERAL (SELECT CASE WHEN m.sender_id = c.user_low THEN c.user_high ELSE c.user_low END AS id) receiver
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
