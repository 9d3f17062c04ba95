-- Set or remove reactions, in one round trip and one commit. No (conversation, seq) may be in it twice.
-- $1 users, $2 conversations, $3 seqs, $4 emoji, $5 whether the reaction is set, $6 when it was requested (Unix ms),
-- $7 most different emoji of one user on one message
--
-- One row for each given row, in the given order: its verdict (changed, repeated, stale, too_many, or an error code), whether
-- the reaction is set now and since when, the other participant, the conversation's version, and whether the other side must not
-- be told.
--
-- A command that was requested before the last applied one counts as a repetition.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::boolean[], $6::bigint[]) WITH ORDINALITY
        AS g (user_id, conversation_id, seq, emoji, active, issued_ms, position)
),
{{LOCKED_CONVERSATIONS}}, judged AS MATERIALIZED (
    SELECT g.position, g.user_id, g.conversation_id, g.seq, g.emoji, g.active, g.issued_ms, m.reacted, m.place,
           l.version, l.blocked, l.now, r.active AS was_active, r.at,
           CASE WHEN g.user_id = l.user_low THEN l.user_high ELSE l.user_low END AS other_id,
           -- The other side isn't told of changes of messages that it has cleared.
           g.seq <= CASE WHEN g.user_id = l.user_low THEN l.cleared_high ELSE l.cleared_low END AS cleared,
           CASE
               WHEN l.id IS NULL OR g.user_id NOT IN (l.user_low, l.user_high) THEN 'conversation_not_found'
               WHEN l.version <> s.version THEN 'stale'
               WHEN m.seq IS NULL OR m.deleted_at IS NOT NULL THEN 'message_not_found'
               -- The user has cleared it.
               WHEN g.seq <= CASE WHEN g.user_id = l.user_low THEN l.cleared_low ELSE l.cleared_high END THEN 'message_not_found'
               WHEN COALESCE(r.active, false) = g.active OR g.issued_ms < r.issued_ms THEN 'repeated'
               WHEN l.blocked THEN 'blocked'
               WHEN g.active AND (
                   SELECT count(*) FROM messaging.reactions
                   WHERE conversation_id = g.conversation_id AND seq = g.seq AND user_id = g.user_id AND active
               ) >= $7::bigint THEN 'too_many'
               ELSE 'changed'
           END AS verdict
    FROM given g
    LEFT JOIN seen s ON s.id = g.conversation_id
    LEFT JOIN locked l ON l.id = g.conversation_id
    LEFT JOIN LATERAL (
        SELECT ctid AS place, seq, deleted_at, reacted FROM messaging.messages
        WHERE conversation_id = g.conversation_id AND seq BETWEEN g.seq AND g.seq
        ORDER BY seq
        LIMIT 1
    ) m ON true
    LEFT JOIN LATERAL (
        SELECT active, at, issued_ms FROM messaging.reactions
        WHERE conversation_id = g.conversation_id AND seq = g.seq AND user_id = g.user_id AND emoji = g.emoji
        LIMIT 1
    ) r ON true
), recorded AS (
    INSERT INTO messaging.reactions AS r (conversation_id, seq, user_id, emoji, active, version, issued_ms, at)
    SELECT conversation_id, seq, user_id, emoji, active, version + 1, issued_ms, now FROM judged WHERE verdict = 'changed'
    ON CONFLICT (conversation_id, seq, user_id, emoji) DO UPDATE SET
        active = EXCLUDED.active, version = EXCLUDED.version, issued_ms = EXCLUDED.issued_ms, at = EXCLUDED.at
), noted AS (
    UPDATE messaging.messages m
    SET reacted = true
    FROM judged j
    WHERE j.verdict = 'changed' AND j.reacted IS NOT TRUE AND m.ctid = j.place
        AND m.conversation_id = j.conversation_id AND m.seq = j.seq
), advanced AS (
    UPDATE messaging.conversations c
    SET version = c.version + 1
    WHERE c.id IN (SELECT conversation_id FROM judged WHERE verdict = 'changed')
)
SELECT j.verdict,
       CASE WHEN j.verdict = 'changed' THEN j.active ELSE COALESCE(j.was_active, false) END AS active,
       CASE WHEN j.verdict = 'changed' THEN j.now ELSE COALESCE(j.at, j.now) END AS at,
       j.other_id::text,
       j.version + EXISTS (
           SELECT FROM judged o WHERE o.conversation_id = j.conversation_id AND o.verdict = 'changed'
       )::int AS version,
       j.blocked OR j.cleared AS hidden
FROM judged j
ORDER BY j.position
