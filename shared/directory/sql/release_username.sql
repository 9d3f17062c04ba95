-- A username belongs to the last user whose token carried it: whoever had it before is named by its id again.
-- $1 the user that has it now, $2 the username
UPDATE directory.users
SET username = id::text,
    display_name = CASE WHEN display_name = username THEN id::text ELSE display_name END,
    updated_at = now()
WHERE username = $2 AND id <> $1::uuid
