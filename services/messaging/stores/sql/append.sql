-- Append a batch of messages in one round trip and one commit, and assign their seqs. No (conversation, sender, key) may be in it
-- twice. $1 message ids, $2 senders, $3 conversations, $4 keys (the tempId, or one that was made up), $5 types, $6 contents or
-- null, $7 media (jsonb) or null, $8 seqs of quoted messages or null, $9 metadata (jsonb) or null; these two may be shorter: what
-- they lack is null. Of the two participants, `low` is the one whose id sorts first, `high` the other.
--
-- One row for each given row, in the given order: its verdict (new, repeated, conversation_not_found, duplicate_temp_id,
-- user_not_found: a participant was erased, blocked, message_not_found), and for new and repeated ones the message's seq and
-- time, its receiver, the receiver's unread count before this batch, the conversation's version after it, whether a block is in
-- force, whether the conversation was updated in the last 5 seconds, the sender's profile, and the participants for whom the
-- conversation was unarchived, or null.
--
-- Conversations are locked in the order of their ids, so that two replicas never deadlock. After
-- waiting for a lock, PostgreSQL reads the locked row again but nothing else (manual, «Read Committed Isolation Level»):
-- seq, unread and block come from that row, so they are current. A message with the same key that was committed meanwhile
-- isn't seen here; then the unique index refuses the statement, and it is run again.
--
-- LATERAL … LIMIT 1 makes each look-up use an index, whatever sizes the planner assumes: a plan with a sequential scan would be
-- kept while the table grows. For the same reason a message is looked up with a range of one seq, in order: while the table is
-- empty, another index costs no more for «seq = …» by the planner's estimate, and that one reads the whole conversation.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::jsonb[],
                $8::bigint[], $9::jsonb[]) WITH ORDINALITY
        AS g (id, sender_id, conversation_id, key, type, content, media, reply_to, metadata, position)
), locked AS MATERIALIZED (
    SELECT id, user_low, user_high, last_seq, version, unread_low, unread_high, blocked, erased, cleared_low, cleared_high,
           archived_low AND COALESCE(muted_low_until <= now(), true) AS unarchives_low,
           archived_high AND COALESCE(muted_high_until <= now(), true) AS unarchives_high,
           GREATEST(updated_at, date_trunc('milliseconds', now())) AS now,
           updated_at > now() - interval '5 seconds' AS lively
    FROM messaging.conversations
    WHERE id = ANY ($3::uuid[])
    ORDER BY id
    FOR NO KEY UPDATE
), judged AS MATERIALIZED (
    SELECT g.position, g.id, g.sender_id, g.conversation_id, g.key, g.type, g.content, g.media, g.reply_to, g.metadata,
           l.last_seq, l.version, l.unread_low, l.unread_high, l.blocked, l.lively, l.now,
           l.unarchives_low, l.unarchives_high, l.user_low, l.user_high,
           g.sender_id = l.user_low AS from_low,
           CASE WHEN g.sender_id = l.user_low THEN l.user_high ELSE l.user_low END AS receiver_id,
           m.seq AS repeated_seq, m.created_at AS repeated_at,
           CASE
               WHEN l.id IS NULL OR g.sender_id NOT IN (l.user_low, l.user_high) THEN 'conversation_not_found'
               WHEN m.seq IS NOT NULL AND CASE
                   WHEN m.sent_hash IS NULL THEN (m.type, m.content, m.media, m.reply_to, m.metadata)
                       IS DISTINCT FROM (g.type, g.content, g.media, g.reply_to, g.metadata)
                   ELSE m.sent_hash <> messaging.body_hash(m.id, g.type, g.content, g.media, g.reply_to, g.metadata)
               END THEN 'duplicate_temp_id'
               WHEN m.seq IS NOT NULL THEN 'repeated'
               WHEN l.erased THEN 'user_not_found'
               WHEN l.blocked THEN 'blocked'
               WHEN g.reply_to IS NOT NULL AND (
                   quoted.seq IS NULL
                   -- The sender has cleared it.
                   OR g.reply_to <= CASE WHEN g.sender_id = l.user_low THEN l.cleared_low ELSE l.cleared_high END
               ) THEN 'message_not_found'
               ELSE 'new'
           END AS verdict
    FROM given g
    LEFT JOIN locked l ON l.id = g.conversation_id
    LEFT JOIN LATERAL (
        SELECT seq, id, created_at, type, content, media, reply_to, metadata, sent_hash
        FROM messaging.messages
        WHERE conversation_id = g.conversation_id AND sender_id = g.sender_id AND key = g.key
        LIMIT 1
    ) m ON true
    LEFT JOIN LATERAL (
        SELECT seq FROM messaging.messages
        WHERE g.reply_to IS NOT NULL
            AND conversation_id = g.conversation_id AND seq BETWEEN g.reply_to AND g.reply_to AND deleted_at IS NULL
        ORDER BY seq
        LIMIT 1
    ) quoted ON true
), fresh AS MATERIALIZED (
    SELECT position, id, sender_id, conversation_id, key, type, content, media, reply_to, metadata, from_low, now,
           last_seq + row_number() OVER (PARTITION BY conversation_id ORDER BY position) AS seq
    FROM judged
    WHERE verdict = 'new'
), inserted AS (
    INSERT INTO messaging.messages
        (conversation_id, seq, id, sender_id, created_at, type, key, content, media, reply_to, metadata)
    SELECT conversation_id, seq, id, sender_id, now, type, key, content, media, reply_to, metadata
    FROM fresh
), advanced AS (
    UPDATE messaging.conversations c
    SET last_seq = f.last_seq,
        version = c.version + 1,
        unread_low = c.unread_low + f.for_low,
        unread_high = c.unread_high + f.for_high,
        hidden_low = false,
        hidden_high = false,
        archived_low = c.archived_low AND COALESCE(c.muted_low_until > f.now, false),
        archived_high = c.archived_high AND COALESCE(c.muted_high_until > f.now, false),
        updated_at = f.now
    FROM (
        SELECT conversation_id, max(seq) AS last_seq, max(now) AS now,
               count(*) FILTER (WHERE NOT from_low) AS for_low, count(*) FILTER (WHERE from_low) AS for_high
        FROM fresh
        GROUP BY conversation_id
    ) f
    WHERE c.id = f.conversation_id
)
SELECT j.verdict,
       COALESCE(f.seq, j.repeated_seq) AS seq,
       COALESCE(j.repeated_at, j.now) AS created_at,
       j.receiver_id::text,
       CASE WHEN j.from_low THEN j.unread_high ELSE j.unread_low END AS unread,
       j.version + (f.seq IS NOT NULL)::int AS version,
       j.blocked,
       j.lively,
       u.username, u.display_name, u.avatar,
       CASE WHEN f.seq IS NOT NULL AND (j.unarchives_low OR j.unarchives_high) THEN array_remove(ARRAY[
           CASE WHEN j.unarchives_low THEN j.user_low::text END, CASE WHEN j.unarchives_high THEN j.user_high::text END
       ], NULL) END AS unarchived
FROM judged j
LEFT JOIN fresh f USING (position)
LEFT JOIN LATERAL (SELECT username, display_name, avatar FROM directory.users WHERE id = j.sender_id LIMIT 1) u ON true
ORDER BY j.position
