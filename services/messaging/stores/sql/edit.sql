-- Replace the contents of messages, in one round trip and one commit. No (conversation, seq) may be in it twice.
-- $1 editors, $2 conversations, $3 seqs, $4 contents, $5 whether a content has no visible character, $6 idempotency keys,
-- $7 seconds after which a message can no longer be edited (0: never), $8 most bytes of content, media and metadata as JSON
--
-- One row for each given row, in the given order: its verdict (edited, repeated, stale, or an error code; of two kinds of
-- not_allowed the one about time is too_late), the current content, when it was edited, the message's id and time, the other
-- participant, the conversation's version, and whether the other side must not be told.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::boolean[], $6::text[]) WITH ORDINALITY
        AS g (user_id, conversation_id, seq, content, empty, key, position)
),
{{LOCKED_CONVERSATIONS}}, judged AS MATERIALIZED (
    SELECT g.position, g.user_id, g.conversation_id, g.seq, g.content, g.key, m.place,
           m.id, m.type, m.content AS former, m.media, m.reply_to, m.metadata, m.sent_hash, m.created_at, m.edited_at,
           l.last_seq, l.version, l.blocked, GREATEST(l.now, m.edited_at + interval '1 millisecond') AS now,
           CASE WHEN g.user_id = l.user_low THEN l.user_high ELSE l.user_low END AS other_id,
           -- The other side isn't told of changes of messages that it has cleared.
           g.seq <= CASE WHEN g.user_id = l.user_low THEN l.cleared_high ELSE l.cleared_low END AS cleared,
           known.key IS NOT NULL AS known,
           CASE
               WHEN l.id IS NULL OR g.user_id NOT IN (l.user_low, l.user_high) THEN 'conversation_not_found'
               WHEN l.version <> s.version THEN 'stale'
               WHEN m.seq IS NULL OR m.deleted_at IS NOT NULL THEN 'message_not_found'
               -- The user has cleared it.
               WHEN g.seq <= CASE WHEN g.user_id = l.user_low THEN l.cleared_low ELSE l.cleared_high END THEN 'message_not_found'
               WHEN m.sender_id IS DISTINCT FROM g.user_id THEN 'not_allowed'
               WHEN known.key IS NOT NULL OR m.content IS NOT DISTINCT FROM g.content THEN 'repeated'
               WHEN l.blocked THEN 'blocked'
               WHEN $7::float8 > 0 AND m.created_at < now() - make_interval(secs => $7::float8) THEN 'too_late'
               WHEN g.empty AND m.media IS NULL AND m.type <> 'custom' THEN 'empty'
               -- The text of a `jsonb` has spaces that compact JSON doesn't have.
               WHEN octet_length(to_json(g.content)::text)
                   + COALESCE(octet_length(replace(replace(m.media::text, '", "', '","'), '": ', '":')), 0)
                   + COALESCE(octet_length(replace(replace(m.metadata::text, '", "', '","'), '": ', '":')), 0) > $8::bigint
                   THEN 'too_big'
               ELSE 'edited'
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
    LEFT JOIN LATERAL (
        SELECT key FROM messaging.revisions
        WHERE conversation_id = g.conversation_id AND seq = g.seq AND key = g.key
        LIMIT 1
    ) known ON true
), recorded AS (
    INSERT INTO messaging.revisions (conversation_id, seq, key, changed, content, last_seq, replaced_at)
    SELECT conversation_id, seq, key, verdict = 'edited', CASE WHEN verdict = 'edited' THEN former END, last_seq, now
    FROM judged
    WHERE verdict = 'edited' OR (verdict = 'repeated' AND NOT known)
), changed AS (
    UPDATE messaging.messages m
    SET content = j.content,
        edited_at = j.now,
        sent_hash = COALESCE(j.sent_hash, messaging.body_hash(j.id, j.type, j.former, j.media, j.reply_to, j.metadata))
    FROM judged j
    WHERE j.verdict = 'edited' AND m.ctid = j.place AND m.conversation_id = j.conversation_id AND m.seq = j.seq
), advanced AS (
    UPDATE messaging.conversations c
    SET version = c.version + 1
    WHERE c.id IN (SELECT conversation_id FROM judged WHERE verdict IN ('edited', 'repeated') AND NOT known)
)
SELECT j.verdict,
       CASE WHEN j.verdict = 'edited' THEN j.content ELSE j.former END AS content,
       CASE WHEN j.verdict = 'edited' THEN j.now ELSE j.edited_at END AS edited_at,
       j.id::text AS message_id,
       j.created_at,
       j.other_id::text,
       j.version + EXISTS (
           SELECT FROM judged o
           WHERE o.conversation_id = j.conversation_id AND o.verdict IN ('edited', 'repeated') AND NOT o.known
       )::int AS version,
       j.blocked OR j.cleared AS hidden
FROM judged j
ORDER BY j.position
