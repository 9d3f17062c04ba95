-- The users with whom a user talked recently, newest first, without those with a block in either direction. $1 user, $2 how many
SELECT partner::text
FROM (
    (
        SELECT user_high AS partner, updated_at FROM messaging.conversations
        WHERE user_low = $1 AND place_low BETWEEN 4 AND 5 AND last_seq > 0 AND NOT blocked
        ORDER BY place_low DESC, active_slot DESC LIMIT $2
    )
    UNION ALL
    (
        SELECT user_low, updated_at FROM messaging.conversations
        WHERE user_high = $1 AND place_high BETWEEN 4 AND 5 AND last_seq > 0 AND NOT blocked
        ORDER BY place_high DESC, active_slot DESC LIMIT $2
    )
) recent
ORDER BY updated_at DESC
LIMIT $2
