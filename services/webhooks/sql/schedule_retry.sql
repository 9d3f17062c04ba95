-- An event was refused: when it is retried. $1 id, $2 when, $3 why
UPDATE webhooks.events
SET attempts = attempts + 1, next_at = $2, last_error = $3, first_refused_at = COALESCE(first_refused_at, now())
WHERE id = $1
