-- Change a user's profile. $1 user id, $2 set the name?, $3 name, $4 set the avatar?, $5 avatar or null
UPDATE directory.users
SET display_name = CASE WHEN $2 THEN $3 ELSE display_name END,
    avatar       = CASE WHEN $4 THEN $5 ELSE avatar END,
    updated_at   = now()
WHERE id = $1::uuid
RETURNING id::text AS user_id, username, display_name, avatar
