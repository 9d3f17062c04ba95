-- Create the user that a token names, or update changed claims, unless a newer token was seen. An absent claim changes
-- nothing. A profile that the user edited stays until the claim itself changes: claim_name and claim_picture are the last claims.
-- $1 user id, $2 username, $3 its key, $4 name, $5 picture, each or null; $6 when the token was issued, Unix seconds
INSERT INTO directory.users AS u
    (id, username, username_key, display_name, avatar, claim_name, claim_picture, claimed_at)
VALUES ($1::uuid, COALESCE($2, $1::uuid::text), COALESCE($3, $1::uuid::text), COALESCE($4, $2, $1::uuid::text), $5, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET
    username      = COALESCE($2, u.username),
    username_key  = COALESCE($3, u.username_key),
    display_name  = CASE
        WHEN u.erased_at IS NOT NULL THEN COALESCE($4, $2, u.username)
        WHEN $4 <> COALESCE(u.claim_name, '') THEN $4
        WHEN u.claim_name IS NULL AND u.display_name = u.username THEN COALESCE($2, u.username)
        ELSE u.display_name END,
    avatar        = CASE WHEN $5 <> COALESCE(u.claim_picture, '') THEN $5 ELSE u.avatar END,
    claim_name    = COALESCE($4, u.claim_name),
    claim_picture = COALESCE($5, u.claim_picture),
    claimed_at    = $6,
    erased_at     = NULL,
    updated_at    = now()
WHERE $6 >= u.claimed_at
