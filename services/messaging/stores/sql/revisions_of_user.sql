-- Earlier texts of a user's messages that are not deleted: the next ones in the order of (conversation, seq, key).
-- $1 user, $2, $3 and $4 the last one that was read, $5 how many
SELECT r.conversation_id::text, r.seq, r.key, r.content, r.replaced_at
FROM (
    SELECT id FROM messaging.conversations WHERE user_low = $1::uuid AND id >= $2::uuid
    UNION ALL
    SELECT id FROM messaging.conversations WHERE user_high = $1::uuid AND id >= $2::uuid
) c
CROSS JOIN LATERAL (
    SELECT v.conversation_id, v.seq, v.key, v.content, v.replaced_at
    FROM messaging.revisions v
    CROSS JOIN LATERAL (
        SELECT sender_id FROM messaging.messages
        WHERE conversation_id = v.conversation_id AND seq BETWEEN v.seq AND v.seq
        ORDER BY seq
        LIMIT 1
    ) m
    WHERE v.conversation_id = c.id AND v.changed AND (v.conversation_id, v.seq, v.key) > ($2::uuid, $3::bigint, $4::text)
        AND m.sender_id = $1::uuid
    ORDER BY v.seq, v.key
    LIMIT $5
) r
ORDER BY r.conversation_id, r.seq, r.key
LIMIT $5
