-- Give the system a past: rows of messages, half of them in the conversations named, half in others made here.
-- $1 rows, $2 conversations that are measured
WITH measured AS (
    SELECT id, user_low AS sender_id, last_seq FROM messaging.conversations WHERE id = ANY ($2::uuid[])
), others AS (
    INSERT INTO messaging.conversations (id, user_low, user_high, last_seq, created_at, updated_at)
    SELECT gen_random_uuid(), least(a, b), greatest(a, b), 100, now(), now()
    FROM (SELECT gen_random_uuid() AS a, gen_random_uuid() AS b FROM generate_series(1, greatest(1, $1::bigint / 200))) AS users
    RETURNING id, user_low AS sender_id
), rows AS (
    SELECT id, sender_id, last_seq + n AS seq
    FROM measured, generate_series(1, $1::bigint / 2 / (SELECT count(*) FROM measured)) AS n
    UNION ALL
    SELECT id, sender_id, n FROM others, generate_series(1, 100) AS n
), inserted AS (
    INSERT INTO messaging.messages (conversation_id, seq, id, sender_id, created_at, type, key, content)
    SELECT id, seq, gen_random_uuid(), sender_id, now(), 'text', gen_random_uuid()::text,
           lpad(seq::text, 16, '0') || repeat(' a message of the past', 4)
    FROM rows
)
UPDATE messaging.conversations c
SET last_seq = c.last_seq + $1::bigint / 2 / (SELECT count(*) FROM measured)
FROM measured
WHERE c.id = measured.id
