-- Make blocks what they were: in messaging, in presence and in the pairs' conversations. Says how many changed.
-- $1 blockers, $2 blocked, $3 active, $4 changed ms, $5 issued ms
WITH put AS (
    INSERT INTO messaging.blocks AS known (blocker, blocked, active, changed_at, issued_ms)
    SELECT given.blocker, given.blocked, given.active, to_timestamp(given.changed_ms / 1000.0), given.issued_ms
    FROM unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::bigint[], $5::bigint[])
        AS given (blocker, blocked, active, changed_ms, issued_ms)
    ON CONFLICT (blocker, blocked) DO UPDATE SET
        active = excluded.active, changed_at = excluded.changed_at, issued_ms = excluded.issued_ms, version = excluded.version
    WHERE known.active <> excluded.active
    RETURNING blocker, blocked, active, version
), told AS (
    INSERT INTO presence.blocks AS known (blocker, blocked, active, version)
    SELECT blocker, blocked, active, version FROM put
    ON CONFLICT (blocker, blocked) DO UPDATE SET active = excluded.active, version = excluded.version
)
SELECT count(*) FROM put
