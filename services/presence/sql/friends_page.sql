-- A page of a user's mutual follows, in the order of ids, and whether there is a block in either direction.
-- $1 user, $2 the id before the page or null, $3 how many. LIMIT 1 as in friends.sql.
SELECT a.followee::text AS friend_id,
       EXISTS (SELECT FROM presence.blocks k WHERE k.active AND k.blocker = a.follower AND k.blocked = a.followee)
       OR EXISTS (SELECT FROM presence.blocks k WHERE k.active AND k.blocker = a.followee AND k.blocked = a.follower) AS absent
FROM presence.follows a
CROSS JOIN LATERAL (SELECT FROM presence.follows WHERE follower = a.followee AND followee = a.follower LIMIT 1) b
WHERE a.follower = $1::uuid AND ($2::uuid IS NULL OR a.followee > $2::uuid)
ORDER BY a.followee
LIMIT $3
