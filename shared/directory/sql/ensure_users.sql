-- Create those of many users that are new, and say who is stored as its token says. Whoever is left out has changed, or
-- claims a name that somebody else has, or is new while its id is somebody's name.
-- $1 user ids, $2 usernames, $3 names, $4 pictures, each or null
WITH claimed AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS c (id, username, name, picture)
), created AS (
    INSERT INTO directory.users (id, username, display_name, avatar, claim_name, claim_picture)
    SELECT id, COALESCE(username, id::text), COALESCE(name, username, id::text), picture, name, picture
    FROM claimed
    WHERE NOT EXISTS (SELECT FROM directory.users u WHERE u.username = claimed.id::text AND u.id <> claimed.id)
    ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT id::text AS user_id FROM created
UNION ALL
SELECT u.id::text
FROM claimed c
CROSS JOIN LATERAL (SELECT * FROM directory.users WHERE id = c.id LIMIT 1) u
WHERE COALESCE(c.username = u.username, true)
    AND COALESCE(c.name = u.claim_name, c.name IS NULL)
    AND COALESCE(c.picture = u.claim_picture, c.picture IS NULL)
