-- Drop the oldest events, or the oldest dead letters, of an endpoint beyond a number. $1 endpoint, $2 how many stay, $3 dead ones
DELETE FROM webhooks.events
WHERE endpoint = $1 AND (dead_at IS NOT NULL) = $3 AND id <= (
    SELECT id FROM webhooks.events
    WHERE endpoint = $1 AND (dead_at IS NOT NULL) = $3
    ORDER BY id DESC
    OFFSET $2 LIMIT 1
)
