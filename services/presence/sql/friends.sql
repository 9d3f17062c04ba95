-- Mutual follows, and whether there is a block in either direction. $1 user ids, $2 how many of each user
SELECT user_id, friend_id, absent FROM presence.friends_of($1::uuid[], $2::bigint)
