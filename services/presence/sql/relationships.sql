-- The pairs of users who follow each other, and whether there is a block in either direction.
-- $1 ones, $2 others
SELECT p.one::text, p.other::text,
       EXISTS (
           SELECT FROM presence.blocks
           WHERE active AND (blocker, blocked) IN ((p.one, p.other), (p.other, p.one))
       ) AS blocked
FROM unnest($1::uuid[], $2::uuid[]) AS p (one, other)
WHERE EXISTS (SELECT FROM presence.follows WHERE follower = p.one AND followee = p.other)
    AND EXISTS (SELECT FROM presence.follows WHERE follower = p.other AND followee = p.one)
