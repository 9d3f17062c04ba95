-- A page of a conversation's history as one of its participants sees it; no row when it is not the user's.
-- $1 user, $2 conversation, $3 which way: 'after', 'before' or 'around' a seq, $4 the seq (null: the end), $5 messages in the
-- page
--
-- One row for each message by ascending seq, or one without a message when the page is empty. The first row also has the `head`:
-- JSON of [first seq and last seq of the page, cleared seq, last seq, participants with their profiles, marks]. For each
-- participant and kind (read or not) these are the marks in the page and the first one after it: the first of the receiver's
-- marks at or after a message's seq tells when it was read. Marks that were set while a block was in force stay private.
--
-- A deleted message has only its seq and times. A reply quotes the text of the time when it was sent: that of the first edit
-- after it, or else the current one. Of a message that the viewer has cleared, it quotes only the seq. Look-ups that few messages
-- need are in CASE, so that the others don't cost more. LIMIT 1 as in append.sql.
WITH mine AS MATERIALIZED (
    SELECT id, user_low, user_high, last_seq,
           GREATEST(CASE WHEN user_low = $1 THEN cleared_low ELSE cleared_high END, first_seq - 1) AS cleared_seq
    FROM messaging.conversations
    WHERE id = $2 AND $1::uuid IN (user_low, user_high)
    LIMIT 1
), page AS MATERIALIZED (
    SELECT id, user_low, user_high, last_seq, cleared_seq, first,
           CASE WHEN $3::text = 'before' THEN LEAST(COALESCE($4::bigint, last_seq + 1), last_seq + 1) - 1
                ELSE LEAST(last_seq, first + $5 - 1) END AS last
    FROM (
        SELECT *,
               CASE $3::text
                    WHEN 'after' THEN GREATEST($4::bigint, cleared_seq) + 1
                    WHEN 'before'
                        THEN GREATEST(cleared_seq + 1, LEAST(COALESCE($4::bigint, last_seq + 1), last_seq + 1) - $5::bigint)
                    ELSE GREATEST(cleared_seq + 1, LEAST($4::bigint - $5::bigint / 2, last_seq - $5::bigint + 1))
               END AS first
        FROM mine
    ) placed
), head AS MATERIALIZED (
    SELECT jsonb_build_array(
        p.first, p.last, p.cleared_seq, p.last_seq, p.user_low, p.user_high,
        (SELECT jsonb_build_array(id, username, display_name, avatar) FROM directory.users WHERE id = p.user_low LIMIT 1),
        (SELECT jsonb_build_array(id, username, display_name, avatar) FROM directory.users WHERE id = p.user_high LIMIT 1),
        (
            SELECT jsonb_agg(
                jsonb_build_array(side.user_id = p.user_low, kind.read, mark.seq, (extract(epoch FROM mark.at) * 1000)::bigint)
                ORDER BY mark.seq
            )
            FROM (VALUES (p.user_low), (p.user_high)) side (user_id)
            CROSS JOIN (VALUES (true), (false)) kind (read)
            LEFT JOIN LATERAL (
                SELECT seq
                FROM messaging.receipts
                WHERE conversation_id = p.id AND user_id = side.user_id AND read = kind.read AND seq >= p.last
                    AND (NOT silent OR side.user_id = $1)
                ORDER BY seq
                LIMIT 1
            ) beyond ON true
            CROSS JOIN LATERAL (
                SELECT seq, at
                FROM messaging.receipts
                WHERE conversation_id = p.id AND user_id = side.user_id AND read = kind.read
                    AND seq BETWEEN p.first AND COALESCE(beyond.seq, p.last) AND (NOT silent OR side.user_id = $1)
                ORDER BY seq
                LIMIT $5 + 1
            ) mark
        )
    )::text AS text
    FROM page p
)
SELECT CASE WHEN m.seq IS NULL OR m.seq = p.first THEN (SELECT text FROM head) END AS head,
       m.seq, m.id::text, m.sender_id::text, m.type, m.content, m.media, m.created_at,
       m.reply_to, m.metadata, m.edited_at, m.deleted_at,
{{QUOTE_AND_REACTIONS}}
FROM page p
LEFT JOIN LATERAL (
    SELECT *
    FROM messaging.messages
    WHERE conversation_id = p.id AND seq BETWEEN p.first AND p.last
    ORDER BY seq
    LIMIT $5
) m ON true
ORDER BY m.seq
