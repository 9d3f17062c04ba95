-- Users whose username begins with a text, by name; who blocks or is blocked by the asking user is left out. Users without a
-- username are found by nobody. $1 user, $2 how the key of the username begins, $3 how many
--
-- A range and no pattern: a generic plan (see `HINTS`) can't tell where a pattern begins, and reads the names of all users.
-- The key is in the order of code points (COLLATE "C"), of which U+10FFFF is the last one and stands for no character.
SELECT u.id::text AS user_id, u.username, u.display_name, u.avatar
FROM directory.users u
WHERE u.username_key >= $2 AND u.username_key < $2 || chr(1114111) AND u.username <> u.id::text AND u.id <> $1::uuid
    AND NOT EXISTS (
        SELECT FROM messaging.blocks b
        WHERE b.active AND ((b.blocker = $1::uuid AND b.blocked = u.id) OR (b.blocker = u.id AND b.blocked = $1::uuid))
    )
ORDER BY u.username_key
LIMIT $3
