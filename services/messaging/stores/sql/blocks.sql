-- Whom a user blocks, newest first. $1 user, $2 how many, $3 how many to skip
SELECT COALESCE(u.username, b.blocked::text), b.changed_at
FROM messaging.blocks b
LEFT JOIN directory.users u ON u.id = b.blocked
WHERE b.blocker = $1 AND b.active
ORDER BY b.changed_at DESC, b.blocked
LIMIT $2 OFFSET $3
