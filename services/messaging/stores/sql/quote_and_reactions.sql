-- Two columns of a statement that shows a message `m` to a viewer who cleared the history up to `cleared_seq`: its quote and its
-- reactions. A quote shows the text of the time when the reply was sent: that of the first edit after it, or else the current
-- one. Both are in CASE, so that messages without them don't cost more.
       CASE WHEN m.reply_to > cleared_seq THEN (
           SELECT jsonb_build_array(
               q.sender_id, q.type,
               left(CASE WHEN former.seq IS NULL THEN q.content ELSE former.content END, 100),
               (extract(epoch FROM q.deleted_at) * 1000)::bigint
           )::text
           FROM messaging.messages q
           LEFT JOIN LATERAL (
               SELECT seq, content
               FROM messaging.revisions
               WHERE conversation_id = q.conversation_id AND seq = q.seq AND changed AND last_seq >= m.seq
               ORDER BY last_seq, replaced_at
               LIMIT 1
           ) former ON true
           WHERE q.conversation_id = m.conversation_id AND q.seq BETWEEN m.reply_to AND m.reply_to
           ORDER BY q.seq
           LIMIT 1
       ) END AS quoted,
       CASE WHEN m.reacted THEN (
           SELECT jsonb_agg(jsonb_build_object('emoji', emoji, 'userIds', user_ids) ORDER BY first)::text
           FROM (
               SELECT emoji, min(version) AS first, jsonb_agg(user_id ORDER BY version) AS user_ids
               FROM messaging.reactions
               WHERE conversation_id = m.conversation_id AND seq = m.seq AND active
               GROUP BY emoji
           ) by_emoji
       ) END AS reactions
