-- The next conversation whose oldest message is expired, among the next $3. $1 the last conversation that is done,
-- $2 messages before this time are expired, $3 how many conversations are read
--
-- One row: the conversation or null, the last one that was read or null at the end, and whether $3 were read.
WITH looked AS MATERIALIZED (
    SELECT id, first_seq
    FROM messaging.conversations
    WHERE id > $1::uuid
    ORDER BY id
    LIMIT $3
)
SELECT (
           SELECT l.id::text
           FROM looked l
           CROSS JOIN LATERAL (
               SELECT created_at FROM messaging.messages
               WHERE conversation_id = l.id AND seq BETWEEN l.first_seq AND l.first_seq
               ORDER BY seq
               LIMIT 1
           ) m
           WHERE m.created_at < $2
           ORDER BY l.id
           LIMIT 1
       ) AS expired,
       (SELECT l.id::text FROM looked l ORDER BY l.id DESC LIMIT 1) AS last,
       (SELECT count(*) = $3 FROM looked) AS is_full
