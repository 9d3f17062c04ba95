-- A username belongs to the last user whose token carried it, and an id to its user: whoever had one of them before is named
-- by its own id again. $1 the user, $2 its username or null
UPDATE directory.users
SET username = id::text,
    display_name = CASE WHEN display_name = username THEN id::text ELSE display_name END,
    updated_at = now()
WHERE username IN ($2, $1::uuid::text) AND id <> $1::uuid
