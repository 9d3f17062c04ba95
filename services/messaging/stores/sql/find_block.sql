-- The current state of a block. $1 blocker, $2 blocked
SELECT active, version, changed_at, issued_ms
FROM messaging.blocks
WHERE blocker = $1 AND blocked = $2
