-- Create the user that a token names, or update what its claims changed. A profile that the user edited stays until the
-- claim itself changes: claim_name and claim_picture remember the claims last seen.
-- $1 user id, $2 username, $3 name or null, $4 picture or null
INSERT INTO directory.users AS u (id, username, display_name, avatar, claim_name, claim_picture)
VALUES ($1::uuid, $2, COALESCE($3, $2), $4, $3, $4)
ON CONFLICT (id) DO UPDATE SET
    username      = EXCLUDED.username,
    display_name  = CASE
        WHEN EXCLUDED.claim_name IS DISTINCT FROM u.claim_name THEN COALESCE(EXCLUDED.claim_name, EXCLUDED.username)
        WHEN EXCLUDED.claim_name IS NULL AND u.display_name = u.username THEN EXCLUDED.username
        ELSE u.display_name END,
    avatar        = CASE WHEN EXCLUDED.claim_picture IS DISTINCT FROM u.claim_picture THEN EXCLUDED.claim_picture ELSE u.avatar END,
    claim_name    = EXCLUDED.claim_name,
    claim_picture = EXCLUDED.claim_picture,
    updated_at    = now()
WHERE (u.username, u.claim_name, u.claim_picture) IS DISTINCT FROM (EXCLUDED.username, EXCLUDED.claim_name, EXCLUDED.claim_picture)
