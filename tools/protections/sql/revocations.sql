-- Revocations that still count.
SELECT user_id::text, revoked_ms, (extract(EPOCH FROM expires_at) * 1000)::bigint AS expires_ms
FROM directory.revocations WHERE expires_at IS NULL OR expires_at > now()
