-- Every block, also those that were taken back: their rows say so.
SELECT blocker::text, blocked::text, active, (extract(EPOCH FROM changed_at) * 1000)::bigint AS changed_ms, issued_ms
FROM messaging.blocks
