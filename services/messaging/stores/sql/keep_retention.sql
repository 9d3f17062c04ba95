-- Store how far the search has come. $1 the last conversation that is done, $2 the changes for Redis or null,
-- $3 seconds until it goes on
UPDATE messaging.retention SET after = $1::uuid, pending = $2::jsonb, due_at = now() + make_interval(secs => $3)
