-- Release uploads that no message attached: not completed in time, or ready or rejected for too long. $1 seconds, $2 how many at
-- most
UPDATE media.uploads
SET state = 'released', name = '', media = NULL
WHERE id IN (
    SELECT id
    FROM media.uploads
    WHERE (state = 'reserved' AND expires_at < now())
        OR (state = 'processing' AND processing_until < now() AND expires_at < now())
        OR (state IN ('ready', 'rejected') AND completed_at < now() - make_interval(secs => $1))
    LIMIT $2
    FOR NO KEY UPDATE SKIP LOCKED
)
