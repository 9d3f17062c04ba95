-- A user's conversations, each with one message of the other side, spread over a year. $1 user, $2 how many
WITH partners AS (
    SELECT gen_random_uuid() AS id, number, now() - number * (interval '365 days' / $2::int) AS at
    FROM generate_series(0, $2::int - 1) AS number
), people AS (
    INSERT INTO directory.users (id, username, username_key, display_name)
    SELECT id, id::text, id::text, 'Partner ' || number FROM partners
), conversations AS (
    INSERT INTO messaging.conversations
        (id, user_low, user_high, last_seq, version, unread_low, unread_high, created_at, updated_at)
    SELECT gen_random_uuid(), LEAST(id, $1::uuid), GREATEST(id, $1::uuid), 1, 1,
           CASE WHEN $1::uuid < id AND number % 10 = 0 THEN 1 ELSE 0 END,
           CASE WHEN $1::uuid > id AND number % 10 = 0 THEN 1 ELSE 0 END,
           at, at
    FROM partners
    RETURNING id, CASE WHEN user_low = $1::uuid THEN user_high ELSE user_low END AS partner, updated_at
)
INSERT INTO messaging.messages (conversation_id, seq, id, sender_id, created_at, type, key, content)
SELECT id, 1, gen_random_uuid(), partner, updated_at, 'text', 'seed', 'Hello there!' FROM conversations
