-- Mutual follows, and whether there is a block in either direction. $1 user ids, $2 how many of each user
--
-- LIMIT 1 keeps each look-up one of a whole key: joined, a table with statistics of its small days is searched for all pairs.
SELECT f.user_id, f.friend_id, f.absent
FROM unnest($1::uuid[]) AS u (id)
CROSS JOIN LATERAL (
    SELECT a.follower::text AS user_id, a.followee::text AS friend_id,
           EXISTS (SELECT FROM presence.blocks k WHERE k.active AND k.blocker = a.follower AND k.blocked = a.followee)
           OR EXISTS (SELECT FROM presence.blocks k WHERE k.active AND k.blocker = a.followee AND k.blocked = a.follower)
               AS absent
    FROM presence.follows a
    CROSS JOIN LATERAL (SELECT FROM presence.follows WHERE follower = a.followee AND followee = a.follower LIMIT 1) b
    WHERE a.follower = u.id
    ORDER BY a.followee
    LIMIT $2
) f
