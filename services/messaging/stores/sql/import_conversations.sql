-- Create missing conversations. Returns a row for each new one.
-- $1 ids, $2 lower users, $3 higher users, $4 when each was made: one of each, no id twice
INSERT INTO messaging.conversations (id, user_low, user_high, blocked, created_at, updated_at)
SELECT g.id, g.user_low, g.user_high,
       EXISTS (
           SELECT FROM messaging.blocks b
           WHERE b.active AND (b.blocker, b.blocked) IN ((g.user_low, g.user_high), (g.user_high, g.user_low))
       ),
       g.at, g.at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) AS g (id, user_low, user_high, at)
ORDER BY g.id
ON CONFLICT (id) DO NOTHING
RETURNING id::text
