-- The oldest events that wait for their first post, without those of conversations that are under way.
-- $1 endpoint, $2 order keys under way, $3 how many
SELECT id, event_id::text, order_key, type, at, data, first_refused_at, attempts
FROM webhooks.events
WHERE endpoint = $1 AND next_at IS NULL AND dead_at IS NULL AND order_key <> ALL ($2::text[])
ORDER BY id
LIMIT $3
