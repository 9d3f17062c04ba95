-- One message of each side in turn in every conversation, by ascending seq, as time would have written them: the messages of a
-- conversation lie far apart. $1 first seq, $2 last seq
INSERT INTO messaging.messages (conversation_id, seq, id, sender_id, created_at, type, key, content)
SELECT c.id, n, gen_random_uuid(), CASE WHEN n % 2 = 0 THEN c.user_low ELSE c.user_high END,
       now() - (c.last_seq - n) * interval '1 hour', 'text', n::text,
       lpad(n::text, 16, '0') || repeat(' a message of the past', 4)
FROM generate_series($1::bigint, $2::bigint) AS n
CROSS JOIN LATERAL (SELECT id, user_low, user_high, last_seq FROM messaging.conversations ORDER BY id) AS c
