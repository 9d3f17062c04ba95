-- Delete messages for everybody, in one round trip and one commit. No (conversation, seq) may be in it twice.
-- $1 users, $2 conversations, $3 seqs
--
-- One row for each given row, in the given order: its verdict (deleted, repeated, stale, or an error code), when the message was
-- deleted, its id and time, the other participant, that participant's unread count and whether this message was in it, the
-- conversation's version, and whether a block is in force.
--
-- The row stays, without its content, because `seq` has no gaps. Its hash stays too, so that a late retry of the send is
-- recognised.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) WITH ORDINALITY AS g (user_id, conversation_id, seq, position)
),
{{LOCKED_CONVERSATIONS}}, judged AS MATERIALIZED (
    SELECT g.position, g.conversation_id, g.seq, g.user_id = l.user_low AS from_low, m.place,
           m.id, m.type, m.content, m.media, m.reply_to, m.metadata, m.sent_hash, m.created_at, m.deleted_at,
           l.version, l.blocked, l.now, l.unread_low, l.unread_high,
           CASE WHEN g.user_id = l.user_low THEN l.user_high ELSE l.user_low END AS other_id,
           g.seq > CASE WHEN g.user_id = l.user_low THEN GREATEST(l.read_high, l.cleared_high)
               ELSE GREATEST(l.read_low, l.cleared_low) END AS is_unread,
           CASE
               WHEN l.id IS NULL OR g.user_id NOT IN (l.user_low, l.user_high) THEN 'conversation_not_found'
               WHEN l.version <> s.version THEN 'stale'
               WHEN m.seq IS NULL THEN 'message_not_found'
               WHEN m.sender_id IS DISTINCT FROM g.user_id THEN 'not_allowed'
               WHEN m.deleted_at IS NOT NULL THEN 'repeated'
               ELSE 'deleted'
           END AS verdict
    FROM given g
    LEFT JOIN seen s ON s.id = g.conversation_id
    LEFT JOIN locked l ON l.id = g.conversation_id
    LEFT JOIN LATERAL (
        SELECT ctid AS place, * FROM messaging.messages
        WHERE conversation_id = g.conversation_id AND seq BETWEEN g.seq AND g.seq
        ORDER BY seq
        LIMIT 1
    ) m ON true
), changed AS (
    UPDATE messaging.messages m
    SET content = NULL, media = NULL, metadata = NULL, reply_to = NULL, edited_at = NULL, reacted = NULL,
        deleted_at = j.now,
        sent_hash = COALESCE(j.sent_hash, messaging.body_hash(j.id, j.type, j.content, j.media, j.reply_to, j.metadata))
    FROM judged j
    WHERE j.verdict = 'deleted' AND m.ctid = j.place AND m.conversation_id = j.conversation_id AND m.seq = j.seq
), without_revisions AS (
    DELETE FROM messaging.revisions r
    USING judged j
    WHERE j.verdict = 'deleted' AND r.conversation_id = j.conversation_id AND r.seq = j.seq
), without_reactions AS (
    DELETE FROM messaging.reactions r
    USING judged j
    WHERE j.verdict = 'deleted' AND r.conversation_id = j.conversation_id AND r.seq = j.seq
), advanced AS (
    UPDATE messaging.conversations c
    SET version = c.version + 1,
        unread_low = GREATEST(c.unread_low - d.from_high, 0),
        unread_high = GREATEST(c.unread_high - d.from_low, 0)
    FROM (
        SELECT conversation_id,
               count(*) FILTER (WHERE from_low AND is_unread) AS from_low,
               count(*) FILTER (WHERE NOT from_low AND is_unread) AS from_high
        FROM judged
        WHERE verdict = 'deleted'
        GROUP BY conversation_id
    ) d
    WHERE c.id = d.conversation_id
)
SELECT j.verdict,
       COALESCE(j.deleted_at, j.now) AS deleted_at,
       j.id::text AS message_id,
       j.created_at,
       j.other_id::text,
       GREATEST(CASE WHEN j.from_low THEN j.unread_high ELSE j.unread_low END - (
           SELECT count(*) FROM judged o
           WHERE o.conversation_id = j.conversation_id AND o.verdict = 'deleted' AND o.from_low = j.from_low AND o.is_unread
       ), 0) AS unread,
       j.is_unread,
       j.version + EXISTS (
           SELECT FROM judged o WHERE o.conversation_id = j.conversation_id AND o.verdict = 'deleted'
       )::int AS version,
       j.blocked
FROM judged j
ORDER BY j.position
