-- Create new users, and return the users that need no update: their claims are stored, or their token is older than the last one.
-- A user that isn't returned has changed, claims another user's name, or is new while its id is another user's name. $1 user ids,
-- $2 usernames, $3 their keys, $4 names, $5 pictures, each or null; $6 when the tokens were issued, Unix seconds
-- The second column is for rows of a companion (`Directory.ensure_all`).
WITH claimed AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[])
        AS c (id, username, username_key, name, picture, issued_at)
), created AS (
    INSERT INTO directory.users
        (id, username, username_key, display_name, avatar, claim_name, claim_picture, claimed_at)
    SELECT id, COALESCE(username, id::text), COALESCE(username_key, id::text), COALESCE(name, username, id::text), picture,
           name, picture, issued_at
    FROM claimed
    WHERE NOT EXISTS (SELECT FROM directory.users u WHERE u.username = claimed.id::text AND u.id <> claimed.id)
    ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT id::text AS user_id, NULL::text[] AS found FROM created
UNION ALL
SELECT u.id::text, NULL
FROM claimed c
CROSS JOIN LATERAL (SELECT * FROM directory.users WHERE id = c.id LIMIT 1) u
WHERE c.issued_at < u.claimed_at
    OR (
        COALESCE(c.username = u.username AND c.username_key = u.username_key, c.username IS NULL)
        AND COALESCE(c.name = u.claim_name, c.name IS NULL)
        AND COALESCE(c.picture = u.claim_picture, c.picture IS NULL)
        AND u.erased_at IS NULL
    )
