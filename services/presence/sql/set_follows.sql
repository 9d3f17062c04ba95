-- Make the graph have some edges, and not have some others. Repeating it changes nothing. A row for each new edge.
-- $1 followers, $2 followees, $3 whether the edge is to be: one of each for each edge, none given twice
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
