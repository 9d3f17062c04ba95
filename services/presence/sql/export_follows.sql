-- A page of a user's follows in either direction. $1 user, $2 and $3 the follow before the page or nulls, $4 how many
SELECT follower::text, followee::text, created_at
FROM presence.follows
WHERE (follower = $1::uuid OR followee = $1::uuid)
    AND ($2::uuid IS NULL OR (follower, followee) > ($2::uuid, $3::uuid))
ORDER BY follower, followee
LIMIT $4
