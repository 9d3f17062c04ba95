-- Refuse the current tokens of user $1, for $2 seconds, or forever when that is null. A later end that is stored already stays.
-- Revocations are stored one at a time ($3 is the key of a lock), so who sees a version has seen all before it.
WITH locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock($3)
), ended AS (
    DELETE FROM directory.revocations WHERE expires_at < now() AND user_id <> $1
), moment AS MATERIALIZED (
    SELECT
        (extract(EPOCH FROM clock_timestamp()) * 1000)::bigint AS revoked_ms,
        nextval('directory.revocation_versions') AS version
    FROM locked
)
INSERT INTO directory.revocations AS standing (user_id, revoked_ms, expires_at, version)
SELECT $1, moment.revoked_ms, now() + make_interval(secs => $2), moment.version
FROM moment
ON CONFLICT (user_id) DO UPDATE SET
    revoked_ms = greatest(standing.revoked_ms, excluded.revoked_ms),
    -- A null end means forever.
    expires_at = nullif(
        greatest(coalesce(standing.expires_at, 'infinity'), coalesce(excluded.expires_at, 'infinity')), 'infinity'
    ),
    version = excluded.version
RETURNING standing.revoked_ms
