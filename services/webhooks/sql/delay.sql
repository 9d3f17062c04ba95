-- Delay events after a refused one of their order key: they are not read again until that one is retried.
-- $1 ids, $2 when it is retried: one of each for each event
UPDATE webhooks.events e
SET next_at = d.retry_at
FROM unnest($1::bigint[], $2::timestamptz[]) AS d (id, retry_at)
WHERE e.id = d.id AND e.next_at IS NULL
