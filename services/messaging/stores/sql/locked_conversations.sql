-- The conversations of changes, for edit.sql, delete.sql and react.sql ($2: their ids): what was seen of them, and the same rows
-- locked in the order of their ids, as in append.sql.
--
-- A statement can't see what was committed while it waited for a lock. So a change whose conversation has another version when
-- it is locked is stale: it isn't applied, and is tried again.
seen AS MATERIALIZED (
    SELECT id, version FROM messaging.conversations WHERE id = ANY ($2::uuid[])
), locked AS MATERIALIZED (
    SELECT id, user_low, user_high, last_seq, version, blocked, unread_low, unread_high, cleared_low, cleared_high,
           read_low, read_high, date_trunc('milliseconds', now()) AS now
    FROM messaging.conversations
    WHERE id = ANY ($2::uuid[])
    ORDER BY id
    FOR NO KEY UPDATE
)
