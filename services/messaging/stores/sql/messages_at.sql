-- Messages by place, as their viewers may see them.
-- $1 viewers (participants), $2 conversations, $3 seqs: one of each for each message
--
-- A deleted message has lost all but its place. A reply quotes the text that stood when it was sent: that of the first edit
-- behind which it stands, or else the one of now. Of a message that the viewer has cleared it quotes nothing but the seq.
--
-- Read by the receiver at the first of its marks at or beyond the seq; marks made while a block stood are the receiver's
-- own affair. Read implies delivered. LATERAL … LIMIT 1 as in append.sql.
SELECT m.id::text, m.conversation_id::text, m.seq, m.sender_id::text, m.type, m.content, m.media, m.created_at,
       u.username, u.display_name, u.avatar,
       read.at AS read_at,
       LEAST(read.at, delivered.at) AS delivered_at,
       m.reply_to, m.metadata, m.edited_at, m.deleted_at,
       quoted.sender_id::text AS quoted_sender_id, quoted.type AS quoted_type, quoted.content AS quoted_content,
       quoted.deleted_at AS quoted_deleted_at,
       reactions.list AS reactions, c.version
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
    -- A message of the system has both for receivers: each sees its own marks.
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
LEFT JOIN LATERAL (
    SELECT q.sender_id, q.type, q.deleted_at,
           left(CASE WHEN former.seq IS NULL THEN q.content ELSE former.content END, 100) AS content
    FROM messaging.messages q
    LEFT JOIN LATERAL (
        SELECT seq, content
        FROM messaging.revisions
        WHERE conversation_id = q.conversation_id AND seq = q.seq AND changed AND last_seq >= m.seq
        ORDER BY replaced_at
        LIMIT 1
    ) former ON true
    WHERE q.conversation_id = m.conversation_id AND q.seq BETWEEN m.reply_to AND m.reply_to
    ORDER BY q.seq
    LIMIT 1
) quoted ON m.reply_to > c.cleared_seq
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('emoji', emoji, 'userIds', user_ids) ORDER BY first) AS list
    FROM (
        SELECT emoji, min(version) AS first, jsonb_agg(user_id ORDER BY version) AS user_ids
        FROM messaging.reactions
        WHERE conversation_id = m.conversation_id AND seq = m.seq AND active
        GROUP BY emoji
    ) by_emoji
) reactions ON m.reacted
ORDER BY w.position
