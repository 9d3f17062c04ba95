-- Order keys with a refused event, and when that event is retried. $1 endpoint
SELECT DISTINCT ON (order_key) order_key, next_at
FROM webhooks.events
WHERE endpoint = $1 AND next_at IS NOT NULL AND dead_at IS NULL
ORDER BY order_key, id
