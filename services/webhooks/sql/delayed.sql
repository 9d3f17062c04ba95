-- The oldest events of one delayed order key. $1 endpoint, $2 order key, $3 how many
SELECT id, event_id::text, order_key, type, at, data, first_refused_at, attempts
FROM webhooks.events
WHERE endpoint = $1 AND order_key = $2 AND next_at IS NOT NULL AND dead_at IS NULL
ORDER BY id
LIMIT $3
