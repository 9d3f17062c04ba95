-- Give revocations back; a later one, and a later end, stand. $1 users, $2 revoked ms, $3 ends in ms or NULL, $4 key of the lock
WITH locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock($4)
)
INSERT INTO directory.revocations AS standing (user_id, revoked_ms, expires_at, version)
SELECT given.user_id, given.revoked_ms, to_timestamp(given.expires_ms / 1000.0), nextval('directory.revocation_versions')
FROM locked, unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS given (user_id, revoked_ms, expires_ms)
ON CONFLICT (user_id) DO UPDATE SET
    revoked_ms = greatest(standing.revoked_ms, excluded.revoked_ms),
    -- As in revoke.sql.
    expires_at = nullif(
        greatest(coalesce(standing.expires_at, 'infinity'), coalesce(excluded.expires_at, 'infinity')), 'infinity'
    ),
    version = excluded.version
WHERE standing.revoked_ms < excluded.revoked_ms
