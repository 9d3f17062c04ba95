-- Store in a pair's conversation whether a block is in force in either direction, and return it.
-- $1 conversation, $2 and $3 the pair
WITH standing AS MATERIALIZED (
    SELECT EXISTS (
        SELECT FROM messaging.blocks WHERE active AND ((blocker = $2 AND blocked = $3) OR (blocker = $3 AND blocked = $2))
    ) AS blocked
), applied AS (
    UPDATE messaging.conversations c
    SET blocked = s.blocked
    FROM standing s
    WHERE c.id = $1 AND c.blocked <> s.blocked
)
SELECT blocked FROM standing
