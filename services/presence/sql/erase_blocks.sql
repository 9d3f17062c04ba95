-- Delete some of what is known of blocks of a user, and say who was on their other side. $1 user, $2 how many
DELETE FROM presence.blocks
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM presence.blocks WHERE blocker = $1::uuid OR blocked = $1::uuid LIMIT $2
))
RETURNING CASE WHEN blocker = $1::uuid THEN blocked ELSE blocker END::text AS other_id
