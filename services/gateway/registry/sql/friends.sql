-- Users' friends in the form in which Redis caches them: with a `-` before those with a block. Users without friends have no row.
-- $1 user ids, $2 how many of each user
SELECT user_id, array_agg(CASE WHEN absent THEN '-' ELSE '' END || friend_id) AS members
FROM presence.friends_of($1::uuid[], $2::bigint)
GROUP BY user_id
