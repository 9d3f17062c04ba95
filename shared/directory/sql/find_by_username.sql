-- The user with a username. A user stored by an older release has no key yet. $1 the key of the username, $2 the username
SELECT id::text AS user_id, username, display_name, avatar FROM directory.users WHERE username_key = $1 AND erased_at IS NULL
UNION ALL
SELECT id::text, username, display_name, avatar FROM directory.users
WHERE username = $2 AND username_key IS NULL AND erased_at IS NULL
LIMIT 1
