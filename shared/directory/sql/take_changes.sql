-- Take changed profiles, to publish them. Concurrent replicas get different ones. $1 how many
WITH taken AS (
    DELETE FROM directory.profile_changes
    WHERE user_id = ANY (ARRAY(
        SELECT user_id FROM directory.profile_changes LIMIT $1 FOR UPDATE SKIP LOCKED
    ))
    RETURNING user_id
)
SELECT u.id::text AS user_id, u.username, u.display_name, u.avatar
FROM taken t
CROSS JOIN LATERAL (SELECT * FROM directory.users WHERE id = t.user_id LIMIT 1) u
