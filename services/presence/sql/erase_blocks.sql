-- Delete some of the block states of a user. Returns the users on the other side. $1 user, $2 how many
DELETE FROM presence.blocks
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM presence.blocks WHERE blocker = $1::uuid OR blocked = $1::uuid LIMIT $2
))
RETURNING CASE WHEN blocker = $1::uuid THEN blocked ELSE blocker END::text AS other_id
