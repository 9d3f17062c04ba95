-- The version of all revocations (a later one has a higher version), and up to $1 users who are revoked, or were.
SELECT
    (SELECT coalesce(max(version), 0) FROM directory.revocations) AS newest,
    ARRAY(SELECT user_id::text FROM directory.revocations LIMIT $1) AS users
