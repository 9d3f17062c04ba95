-- Take or renew the lease of an endpoint. Returns a row when the caller has it. $1 endpoint, $2 owner, $3 seconds
INSERT INTO webhooks.leases AS l (endpoint, owner, ends_at)
VALUES ($1, $2, now() + make_interval(secs => $3))
ON CONFLICT (endpoint) DO UPDATE SET owner = EXCLUDED.owner, ends_at = EXCLUDED.ends_at
WHERE l.owner = EXCLUDED.owner OR l.ends_at < now()
RETURNING owner
