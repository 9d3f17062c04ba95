-- Delay events after a refused one of their order key: they are not read again until that one is posted.
-- $1 ids, $2 until when: one of each for each event
UPDATE webhooks.events e
SET next_at = h.until
FROM unnest($1::bigint[], $2::timestamptz[]) AS h (id, until)
WHERE e.id = h.id AND e.next_at IS NULL
