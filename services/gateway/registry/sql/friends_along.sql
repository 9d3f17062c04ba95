-- As friends.sql, but to go along with another statement (`shared.directory.Companion`), which has the parameters before.
-- $7 user ids, $8 how many of each user
SELECT user_id, array_agg(CASE WHEN absent THEN '-' ELSE '' END || friend_id) AS members
FROM presence.friends_of($7::uuid[], $8::bigint)
GROUP BY user_id
