-- Remove the content of deleted messages from waiting events and dead letters.
-- $1 conversations, $2 seqs: one of each for each message
UPDATE webhooks.events e
SET data = (e.data - ARRAY['media', 'metadata', 'replyTo', 'tempId']) || '{"content": null}'::jsonb
FROM unnest($1::text[], $2::bigint[]) AS gone (order_key, seq)
WHERE e.order_key = gone.order_key AND e.seq = gone.seq AND e.data ? 'content'
