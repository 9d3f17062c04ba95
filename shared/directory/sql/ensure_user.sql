-- Create the user that a token names, or update what its claims changed. A claim that is absent says nothing. A profile that
-- the user edited stays until the claim itself changes: claim_name and claim_picture remember the claims last seen.
-- $1 user id, $2 username, $3 name, $4 picture, each or null
INSERT INTO directory.users AS u (id, username, display_name, avatar, claim_name, claim_picture)
VALUES ($1::uuid, COALESCE($2, $1::uuid::text), COALESCE($3, $2, $1::uuid::text), $4, $3, $4)
ON CONFLICT (id) DO UPDATE SET
    username      = COALESCE($2, u.username),
    display_name  = CASE
        WHEN $3 <> COALESCE(u.claim_name, '') THEN $3
        WHEN u.claim_name IS NULL AND u.display_name = u.username THEN COALESCE($2, u.username)
        ELSE u.display_name END,
    avatar        = CASE WHEN $4 <> COALESCE(u.claim_picture, '') THEN $4 ELSE u.avatar END,
    claim_name    = COALESCE($3, u.claim_name),
    claim_picture = COALESCE($4, u.claim_picture),
    updated_at    = now()
