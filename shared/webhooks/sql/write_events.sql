-- Add events to the outbox, one row for each endpoint, in the given order.
-- $1 endpoints; $2 types, $3 order keys, $4 seqs or null, $5 times in Unix ms, $6 data (JSON objects): one of each for each event
INSERT INTO webhooks.events (endpoint, type, order_key, seq, at, data)
SELECT endpoint, type, order_key, seq, to_timestamp(at_ms / 1000.0), data
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::jsonb[]) WITH ORDINALITY
    AS e (type, order_key, seq, at_ms, data, position)
CROSS JOIN unnest($1::text[]) AS endpoint
ORDER BY position
