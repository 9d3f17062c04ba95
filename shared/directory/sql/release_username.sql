-- A username belongs to the last user whose token had it, and an id to its user. Earlier holders are shown by their own id again.
-- $1 the user, $2 its username or null, $3 the key of the username or null
UPDATE directory.users
SET username = id::text,
    username_key = id::text,
    display_name = CASE WHEN display_name = username THEN id::text ELSE display_name END,
    updated_at = now()
WHERE (username_key IN ($3, $1::uuid::text) OR (username_key IS NULL AND username IN ($2, $1::uuid::text))) AND id <> $1::uuid
