-- Store that a block began or ended, unless a newer version of the pair is known. Repeating the newest returns a row again.
-- $1 blocker, $2 blocked, $3 active, $4 version
INSERT INTO presence.blocks AS known (blocker, blocked, active, version)
VALUES ($1::uuid, $2::uuid, $3, $4)
ON CONFLICT (blocker, blocked) DO UPDATE SET active = EXCLUDED.active, version = EXCLUDED.version
WHERE EXCLUDED.version >= known.version
RETURNING version
