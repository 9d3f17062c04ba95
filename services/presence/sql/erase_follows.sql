-- Delete some of the follows of a user, in either direction. Returns the users on the other side. $1 user, $2 how many
DELETE FROM presence.follows
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM presence.follows WHERE follower = $1::uuid OR followee = $1::uuid LIMIT $2
))
RETURNING CASE WHEN follower = $1::uuid THEN followee ELSE follower END::text AS other_id
