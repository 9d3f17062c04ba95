-- A part of a user's list of conversations: pinned ones first, then the newest first.
-- $1 user, $2 how many, $3 and $4 the least and the greatest place (migration 0011 says what these are)
-- $5, $6, $7 place, updated_at and id to continue after: for the first page, values that sort before all
-- $8 whether it must have unread messages, or null for any; $9 how many to read: with $8, few of them may fit
--
-- One row for each conversation: id, place, updated_at, whether it fits $8, whether it is the last that was read because of $9,
-- the xmin and the time of this statement's snapshot, and its position in the list. With $8, the last one that was read is
-- returned too when there are more.
--
-- The index is ordered by place and by `updated_at` in steps of ten minutes, so only rows of the same ten minutes are sorted.
-- Without `LIST_HINTS` the planner would assume that a user has few rows, and sort them all.
WITH snapshot AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin,
           -- A transaction that is still running may have begun, and taken its timestamp, up to a minute ago.
           date_trunc('milliseconds', statement_timestamp()) - interval '1 minute' AS at
), scanned AS MATERIALIZED (
    SELECT id, place, updated_at, fits, row_number() OVER (ORDER BY place DESC, updated_at DESC, id DESC) AS position
    FROM (
        (
            SELECT id, place_low AS place, updated_at, unread_low > 0 OR marked_low AS fits
            FROM messaging.conversations
            WHERE user_low = $1 AND place_low BETWEEN $3 AND $4
                AND (place_low, active_slot)
                    <= ($5::smallint, date_bin('10 minutes', $6::timestamptz AT TIME ZONE 'UTC', TIMESTAMP '2000-01-01'))
                AND (place_low, updated_at, id) < ($5::smallint, $6::timestamptz, $7::uuid)
            ORDER BY place_low DESC, active_slot DESC, updated_at DESC, id DESC
            LIMIT $9
        )
        UNION ALL
        (
            SELECT id, place_high, updated_at, unread_high > 0 OR marked_high
            FROM messaging.conversations
            WHERE user_high = $1 AND place_high BETWEEN $3 AND $4
                AND (place_high, active_slot)
                    <= ($5::smallint, date_bin('10 minutes', $6::timestamptz AT TIME ZONE 'UTC', TIMESTAMP '2000-01-01'))
                AND (place_high, updated_at, id) < ($5::smallint, $6::timestamptz, $7::uuid)
            ORDER BY place_high DESC, active_slot DESC, updated_at DESC, id DESC
            LIMIT $9
        )
    ) mine
    ORDER BY place DESC, updated_at DESC, id DESC
    LIMIT $9
),
{{CHOSEN_CONVERSATIONS}}
