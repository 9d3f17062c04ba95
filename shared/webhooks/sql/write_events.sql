-- Add events to the outbox, one row for each endpoint, in the given order.
-- $1 endpoints; $2 types, $3 order keys, $4 seqs or null, $5 times in Unix ms, $6 data (JSON objects): one of each for each event
--
-- The id is made from the event. So an event that is added again, because its AMQP message was redelivered, has the same one, and
-- receivers drop it.
INSERT INTO webhooks.events (event_id, endpoint, type, order_key, seq, at, data)
SELECT encode(substring(sha256(convert_to(
           concat_ws(chr(10), endpoint, type, order_key, seq, at_ms, data), 'UTF8'
       )) FOR 16), 'hex')::uuid,
       endpoint, type, order_key, seq, to_timestamp(at_ms / 1000.0), data
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::jsonb[]) WITH ORDINALITY
    AS e (type, order_key, seq, at_ms, data, position)
CROSS JOIN unnest($1::text[]) AS endpoint
ORDER BY position
