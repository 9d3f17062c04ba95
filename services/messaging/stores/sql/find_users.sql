-- Users whose username begins with a text, sorted by name, without users whom the requesting user blocks or who block that user.
-- Nobody finds users without a username. $1 user, $2 how the key of the username begins, $3 how many
--
-- It is a range and not a pattern: a generic plan (see `HINTS`) doesn't know where a pattern begins, and reads the names of all
-- users. The key is sorted by code points (COLLATE "C"). U+10FFFF is the last one, and isn't a character.
SELECT u.id::text AS user_id, u.username, u.display_name, u.avatar
FROM directory.users u
WHERE u.username_key >= $2 AND u.username_key < $2 || chr(1114111) AND u.username <> u.id::text AND u.id <> $1::uuid
    AND NOT EXISTS (
        SELECT FROM messaging.blocks b
        WHERE b.active AND ((b.blocker = $1::uuid AND b.blocked = u.id) OR (b.blocker = u.id AND b.blocked = $1::uuid))
    )
ORDER BY u.username_key
LIMIT $3
