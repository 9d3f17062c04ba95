-- A part of what changed in a user's list of conversations since a snapshot, in the order of the list. Parameters and
-- columns are those of `conversation_list.sql`, and
-- $10, $11 the snapshot: its xmin, and its time
--
-- A row has changed since a snapshot when the transaction that wrote it was still running then; `xmin` has 32 bits of its number.
-- Such a row was active since, or the user moved it by hand since, so it may be anywhere in the order (migration 0015). Each
-- place is looked up separately: over several places, the index isn't ordered by `updated_at`.
WITH snapshot AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax,
           -- A transaction that is still running may have begun, and taken its timestamp, up to a minute ago.
           date_trunc('milliseconds', statement_timestamp()) - interval '1 minute' AS at
), places AS (
    SELECT place::smallint FROM generate_series($3::int, $4::int) AS place
), moved AS (
    SELECT c.*
    FROM places p
    CROSS JOIN LATERAL (
        SELECT id, place_low AS place, updated_at, unread_low > 0 OR marked_low AS fits, xmin::text::bigint AS written
        FROM messaging.conversations
        WHERE user_low = $1 AND place_low = p.place
            AND active_slot >= date_bin('10 minutes', $11::timestamptz AT TIME ZONE 'UTC', TIMESTAMP '2000-01-01')
        OFFSET 0
    ) c
    UNION
    SELECT c.*
    FROM places p
    CROSS JOIN LATERAL (
        SELECT id, place_high AS place, updated_at, unread_high > 0 OR marked_high AS fits, xmin::text::bigint AS written
        FROM messaging.conversations
        WHERE user_high = $1 AND place_high = p.place
            AND active_slot >= date_bin('10 minutes', $11::timestamptz AT TIME ZONE 'UTC', TIMESTAMP '2000-01-01')
        OFFSET 0
    ) c
    UNION
    SELECT id, place_low, updated_at, unread_low > 0 OR marked_low, xmin::text::bigint
    FROM messaging.conversations
    WHERE user_low = $1 AND placed_low_at >= $11::timestamptz AND place_low BETWEEN $3::int AND $4::int
    UNION
    SELECT id, place_high, updated_at, unread_high > 0 OR marked_high, xmin::text::bigint
    FROM messaging.conversations
    WHERE user_high = $1 AND placed_high_at >= $11::timestamptz AND place_high BETWEEN $3::int AND $4::int
), scanned AS MATERIALIZED (
    SELECT id, place, updated_at, fits, row_number() OVER (ORDER BY place DESC, updated_at DESC, id DESC) AS position
    FROM moved, snapshot s
    WHERE (place, updated_at, id) < ($5::smallint, $6::timestamptz, $7::uuid)
        AND s.xmax - (s.xmax - written) % 4294967296 >= $10::bigint
    ORDER BY place DESC, updated_at DESC, id DESC
    LIMIT $9
),
{{CHOSEN_CONVERSATIONS}}
