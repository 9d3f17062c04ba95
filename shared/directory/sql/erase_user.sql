-- Delete everything of a user except the id. $1 user, $2 the display name of erased users, $3 now, Unix seconds
UPDATE directory.users
SET username = id::text, username_key = id::text, display_name = $2, avatar = NULL, claim_name = NULL, claim_picture = NULL,
    claimed_at = $3, erased_at = now(), updated_at = now()
WHERE id = $1::uuid
