-- Store some follows, and delete others. Repeating it changes nothing. Returns a row for each new follow.
-- $1 followers, $2 followees, $3 whether to store or delete it: one of each for each follow, no pair twice
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS g (follower, followee, follows)
), removed AS (
    DELETE FROM presence.follows f USING given g
    WHERE NOT g.follows AND f.follower = g.follower AND f.followee = g.followee
)
INSERT INTO presence.follows (follower, followee)
SELECT follower, followee FROM given WHERE follows
ORDER BY follower, followee
ON CONFLICT DO NOTHING
RETURNING follower::text, followee::text
