-- A page of a user's friends, by id. $1 user, $2 the id before the page or null, $3 how many
SELECT a.followee::text AS friend_id
FROM presence.follows a
JOIN presence.follows b ON b.follower = a.followee AND b.followee = a.follower
WHERE a.follower = $1::uuid AND ($2::uuid IS NULL OR a.followee > $2::uuid)
  AND NOT EXISTS (SELECT FROM presence.blocks k WHERE k.active AND k.blocker = a.follower AND k.blocked = a.followee)
  AND NOT EXISTS (SELECT FROM presence.blocks k WHERE k.active AND k.blocker = a.followee AND k.blocked = a.follower)
ORDER BY a.followee
LIMIT $3
