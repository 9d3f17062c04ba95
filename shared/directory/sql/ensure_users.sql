-- Create those of many users that are new, and say who is stored as its token says. Whoever is left out has changed, or
-- claims a name that somebody else has.
-- $1 user ids, $2 usernames, $3 names or null, $4 pictures or null
WITH claimed AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS c (id, username, name, picture)
), created AS (
    INSERT INTO directory.users (id, username, display_name, avatar, claim_name, claim_picture)
    SELECT id, username, COALESCE(name, username), picture, name, picture FROM claimed ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT id::text AS user_id FROM created
UNION ALL
SELECT u.id::text FROM directory.users u JOIN claimed c ON c.id = u.id
WHERE (u.username, u.claim_name, u.claim_picture) IS NOT DISTINCT FROM (c.username, c.name, c.picture)
