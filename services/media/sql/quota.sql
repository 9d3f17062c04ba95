-- The seconds until a user may reserve again, or 0. $1 user, $2 size of the new one, $3 uploads an hour, $4 bytes a day
-- (0: no limit)
--
-- A row that exceeds a limit together with all newer ones must leave that limit's window first.
WITH recent AS (
    SELECT reserved_at, row_number() OVER newest AS uploads, sum(size) OVER newest AS bytes
    FROM media.uploads
    WHERE user_id = $1 AND reserved_at > now() - interval '1 day'
    WINDOW newest AS (ORDER BY reserved_at DESC, id DESC)
)
SELECT GREATEST(
    0,
    EXTRACT(EPOCH FROM max(reserved_at) FILTER (WHERE $3 > 0 AND uploads >= $3) + interval '1 hour' - now()),
    EXTRACT(EPOCH FROM max(reserved_at) FILTER (WHERE $4 > 0 AND bytes + $2::bigint > $4) + interval '1 day' - now())
)::float8
FROM recent
