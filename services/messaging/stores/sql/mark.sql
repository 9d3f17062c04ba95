-- Move read and delivery marks forward, for a batch, in one round trip and one commit. No (conversation, user) may be in it
-- twice. $1 conversations, $2 users, $3 read up to (null: not read), $4 delivered up to (null: not delivered); both are clamped.
-- $5 whether the row may have been applied before, by a replica that died before it announced the result
--
-- One row for each given row, in the given order: its verdict (marked, stale, conversation_not_found), where the marks stand,
-- when the reading mark moved last, unread count and version, the other participant, which of its messages became
-- read or delivered, unless a block is in force, and whether the conversation was marked as unread, which reading ends.
--
-- Locks as in append.sql. To read up to a seq that isn't the last one, messages are counted. That count misses what was committed
-- or deleted while this statement waited for the lock: such a row is stale, is not applied, and is tried again.
--
-- Conversations in which nothing moves are read and not locked: a lock is written to the log, and its commit waits for the disk.
--
-- A row that may have been applied before and moves nothing returns the result of the last move again.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::boolean[]) WITH ORDINALITY
        AS g (conversation_id, user_id, read_to, delivered_to, again, position)
), seen AS MATERIALIZED (
    SELECT id, user_low, user_high, last_seq, version, blocked, unread_low, unread_high, cleared_low, cleared_high,
           marked_low, marked_high, read_low, read_high, read_low_at, read_high_at, delivered_low, delivered_high,
           date_trunc('milliseconds', now()) AS now
    FROM messaging.conversations
    WHERE id = ANY ($1::uuid[])
), moving AS MATERIALIZED (
    SELECT s.id
    FROM given g
    JOIN seen s ON s.id = g.conversation_id
    WHERE g.user_id IN (s.user_low, s.user_high) AND (
        g.again
        OR g.read_to IS NOT NULL AND CASE WHEN g.user_id = s.user_low THEN s.marked_low ELSE s.marked_high END
        OR g.read_to IS NOT NULL
        AND LEAST(g.read_to, s.last_seq) > CASE WHEN g.user_id = s.user_low THEN s.read_low ELSE s.read_high END
        OR LEAST(GREATEST(g.read_to, g.delivered_to), s.last_seq)
        > CASE WHEN g.user_id = s.user_low THEN s.delivered_low ELSE s.delivered_high END
    )
), changing AS MATERIALIZED (
    SELECT id, user_low, user_high, last_seq, version, blocked, unread_low, unread_high, cleared_low, cleared_high,
           marked_low, marked_high, read_low, read_high, read_low_at, read_high_at, delivered_low, delivered_high,
           date_trunc('milliseconds', now()) AS now
    FROM messaging.conversations
    WHERE id = ANY (ARRAY(SELECT id FROM moving))
    ORDER BY id
    FOR NO KEY UPDATE
), locked AS MATERIALIZED (
    SELECT * FROM changing
    UNION ALL
    SELECT * FROM seen
    WHERE id <> ALL (ARRAY(SELECT id FROM moving))
), sides AS MATERIALIZED (
    SELECT g.position, g.conversation_id, g.user_id, g.again, l.last_seq, l.version, l.blocked, l.now,
           l.id IS NOT NULL AND g.user_id IN (l.user_low, l.user_high) AS found,
           l.version <> s.version AND g.read_to < l.last_seq AS stale,
           g.user_id = l.user_low AS is_low,
           CASE WHEN g.user_id = l.user_low THEN l.user_high ELSE l.user_low END AS other_id,
           CASE WHEN g.user_id = l.user_low THEN l.unread_low ELSE l.unread_high END AS unread,
           CASE WHEN g.user_id = l.user_low THEN l.read_low_at ELSE l.read_high_at END AS read_at,
           CASE WHEN g.user_id = l.user_low THEN l.read_low ELSE l.read_high END AS read_from,
           CASE WHEN g.user_id = l.user_low THEN l.cleared_low ELSE l.cleared_high END AS cleared,
           g.read_to IS NOT NULL AND CASE WHEN g.user_id = l.user_low THEN l.marked_low ELSE l.marked_high END AS unmarks,
           CASE WHEN g.user_id = l.user_low THEN l.delivered_low ELSE l.delivered_high END AS delivered_from,
           -- LEAST ignores nulls, and null means «not read».
           CASE WHEN g.read_to IS NOT NULL THEN LEAST(g.read_to, l.last_seq) END AS read_to,
           LEAST(GREATEST(g.read_to, g.delivered_to), l.last_seq) AS delivered_to
    FROM given g
    LEFT JOIN locked l ON l.id = g.conversation_id
    LEFT JOIN seen s ON s.id = g.conversation_id
), moved AS MATERIALIZED (
    SELECT *,
           read_to > read_from AS reads,
           delivered_to > delivered_from AS delivers,
           CASE
               WHEN NOT read_to > read_from THEN 0
               WHEN read_to = last_seq THEN unread
               ELSE (
                   SELECT count(*) FROM (
                       SELECT seq FROM messaging.messages m
                       WHERE m.conversation_id = s.conversation_id
                           AND m.seq > GREATEST(s.read_from, s.cleared) AND m.seq <= s.read_to
                           AND m.sender_id <> s.user_id AND m.deleted_at IS NULL
                       ORDER BY seq
                   ) read_now
               )
           END AS newly_read,
           delivered_to > delivered_from AND (
               SELECT seq FROM messaging.messages m
               WHERE m.conversation_id = s.conversation_id AND m.seq > s.delivered_from AND m.seq <= s.delivered_to
                   AND m.sender_id = s.other_id
               ORDER BY seq
               LIMIT 1
           ) IS NOT NULL AS newly_delivered
    FROM sides s
    WHERE found AND stale IS NOT TRUE
), told AS MATERIALIZED (
    -- The last move of each mark that the other side was told of: it covers a message of theirs that the move before didn't.
    SELECT s.position, r.read, r.at
    FROM sides s
    CROSS JOIN LATERAL (
        VALUES (true, s.read_to, s.read_from), (false, s.delivered_to, s.delivered_from)
    ) mark (read, wanted, stands)
    CROSS JOIN LATERAL (
        SELECT read, seq, at FROM messaging.receipts
        WHERE conversation_id = s.conversation_id AND user_id = s.user_id AND read = mark.read AND seq = mark.stands
            AND NOT silent
        LIMIT 1
    ) r
    WHERE s.again AND s.found AND NOT s.blocked AND mark.wanted <= mark.stands AND (
        SELECT m.seq FROM messaging.messages m
        WHERE m.conversation_id = s.conversation_id AND m.sender_id = s.other_id AND m.seq <= r.seq AND m.seq > COALESCE((
            SELECT max(p.seq) FROM messaging.receipts p
            WHERE p.conversation_id = s.conversation_id AND p.user_id = s.user_id AND p.read = r.read AND p.seq < r.seq
        ), 0)
        ORDER BY m.seq
        LIMIT 1
    ) IS NOT NULL
), recorded AS (
    INSERT INTO messaging.receipts (conversation_id, user_id, seq, read, silent, at)
    SELECT conversation_id, user_id, read_to, true, blocked, now FROM moved WHERE reads
    UNION ALL
    SELECT conversation_id, user_id, delivered_to, false, blocked, now FROM moved WHERE delivers
), advanced AS (
    UPDATE messaging.conversations c
    SET version = c.version + 1,
        unread_low = c.unread_low - COALESCE(m.read_by_low, 0),
        unread_high = c.unread_high - COALESCE(m.read_by_high, 0),
        read_low = GREATEST(c.read_low, m.read_low),
        read_high = GREATEST(c.read_high, m.read_high),
        read_low_at = CASE WHEN m.read_low IS NULL THEN c.read_low_at ELSE m.now END,
        read_high_at = CASE WHEN m.read_high IS NULL THEN c.read_high_at ELSE m.now END,
        delivered_low = GREATEST(c.delivered_low, m.delivered_low),
        delivered_high = GREATEST(c.delivered_high, m.delivered_high),
        marked_low = c.marked_low AND NOT m.unmarks_low,
        marked_high = c.marked_high AND NOT m.unmarks_high
    FROM (
        SELECT conversation_id, max(now) AS now,
               max(read_to) FILTER (WHERE is_low AND reads) AS read_low,
               max(read_to) FILTER (WHERE NOT is_low AND reads) AS read_high,
               max(delivered_to) FILTER (WHERE is_low) AS delivered_low,
               max(delivered_to) FILTER (WHERE NOT is_low) AS delivered_high,
               sum(newly_read) FILTER (WHERE is_low)::bigint AS read_by_low,
               sum(newly_read) FILTER (WHERE NOT is_low)::bigint AS read_by_high,
               bool_or(unmarks AND is_low) AS unmarks_low,
               bool_or(unmarks AND NOT is_low) AS unmarks_high
        FROM moved
        WHERE reads OR delivers OR unmarks
        GROUP BY conversation_id
    ) m
    WHERE c.id = m.conversation_id
)
SELECT CASE WHEN NOT s.found THEN 'conversation_not_found' WHEN s.stale THEN 'stale' ELSE 'marked' END AS verdict,
       GREATEST(s.read_from, s.read_to) AS read_seq,
       CASE WHEN m.reads THEN s.now ELSE COALESCE(s.read_at, s.now) END AS read_at,
       GREATEST(s.delivered_from, s.delivered_to) AS delivered_seq,
       COALESCE(delivery.at, s.now) AS delivered_at,
       s.unread - m.newly_read AS unread,
       s.version + (
           SELECT (count(*) > 0)::int FROM moved o
           WHERE o.conversation_id = s.conversation_id AND (o.reads OR o.delivers OR o.unmarks)
       ) AS version,
       s.other_id::text,
       reading.position IS NOT NULL OR (m.newly_read > 0 AND NOT s.blocked) AS shows_read,
       delivery.position IS NOT NULL OR (m.newly_delivered AND NOT s.blocked) AS shows_delivered,
       COALESCE(m.unmarks, false) AS unmarked
FROM sides s
LEFT JOIN moved m USING (position)
LEFT JOIN told reading ON reading.position = s.position AND reading.read
LEFT JOIN told delivery ON delivery.position = s.position AND NOT delivery.read
ORDER BY s.position
