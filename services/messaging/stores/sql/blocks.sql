-- Whom a user blocks, newest first. $1 user, $2 how many, $3 and $4 since when and id to continue after, or null
SELECT b.blocked::text, COALESCE(u.username, b.blocked::text), b.changed_at
FROM messaging.blocks b
LEFT JOIN directory.users u ON u.id = b.blocked
WHERE b.blocker = $1 AND b.active AND ($3::timestamptz IS NULL OR (b.changed_at, b.blocked) < ($3, $4::uuid))
ORDER BY b.changed_at DESC, b.blocked DESC
LIMIT $2
