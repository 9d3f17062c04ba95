-- Users whose username begins with a text, by name; who blocks or is blocked by the asking user is left out. Users without a
-- username are found by nobody. $1 user, $2 pattern of the key (LIKE), $3 how many
SELECT u.id::text AS user_id, u.username, u.display_name, u.avatar
FROM directory.users u
WHERE u.username_key LIKE $2 AND u.username <> u.id::text AND u.id <> $1::uuid
    AND NOT EXISTS (
        SELECT FROM messaging.blocks b
        WHERE b.active AND ((b.blocker = $1::uuid AND b.blocked = u.id) OR (b.blocker = u.id AND b.blocked = $1::uuid))
    )
ORDER BY u.username_key
LIMIT $3
