-- The version of all revocations, and since when each of the users $1 is revoked.
SELECT
    (SELECT coalesce(max(version), 0) FROM directory.revocations) AS newest,
    asked.user_id::text AS user_id,
    found.revoked_ms
FROM unnest($1::uuid[]) AS asked (user_id)
LEFT JOIN directory.revocations AS found
    ON found.user_id = asked.user_id AND (found.expires_at IS NULL OR found.expires_at > now())
