-- Follow, or return the existing follow, which keeps its first time. $1 follower, $2 followee
WITH inserted AS (
    INSERT INTO presence.follows (follower, followee) VALUES ($1::uuid, $2::uuid)
    ON CONFLICT DO NOTHING RETURNING created_at
)
SELECT created_at, true AS is_new FROM inserted
UNION ALL
SELECT created_at, false FROM presence.follows WHERE follower = $1::uuid AND followee = $2::uuid
LIMIT 1
