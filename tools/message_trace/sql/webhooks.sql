-- Webhooks about a message that no endpoint has taken yet: $1 conversation, $2 seq.
SELECT endpoint, type, attempts, last_error, dead_at FROM webhooks.events
WHERE order_key = $1 AND seq = $2 ORDER BY id LIMIT 100
