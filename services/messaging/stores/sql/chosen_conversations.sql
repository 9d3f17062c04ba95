-- The end of `conversation_list.sql` and `conversation_moves.sql`: selects the rows for the caller from those that were read
-- (`scanned`).
chosen AS (
    (SELECT * FROM scanned WHERE $8::boolean IS NULL OR fits = $8 ORDER BY position LIMIT $2)
    UNION ALL
    (SELECT * FROM scanned WHERE position = $9 AND fits <> $8)
)
SELECT c.id::text, c.place, c.updated_at, $8 IS NULL OR c.fits = $8 AS fits, c.position = $9 AS last_scanned,
       s.xmin, s.at, c.position
FROM chosen c, snapshot s
ORDER BY c.position
