-- Blocks by and of a user, including lifted ones: the next ones in the order of (blocker, blocked).
-- $1 user, $2 and $3 the last block that was read, $4 how many
SELECT blocker::text, blocked::text, active, changed_at
FROM (
    (
        SELECT blocker, blocked, active, changed_at
        FROM messaging.blocks
        WHERE blocker = $1::uuid AND (blocker, blocked) > ($2::uuid, $3::uuid)
        ORDER BY blocked
        LIMIT $4
    )
    UNION ALL
    (
        SELECT blocker, blocked, active, changed_at
        FROM messaging.blocks
        WHERE blocked = $1::uuid AND blocker >= $2::uuid AND (blocker, blocked) > ($2::uuid, $3::uuid)
        ORDER BY blocker
        LIMIT $4
    )
) b
ORDER BY b.blocker, b.blocked
LIMIT $4
