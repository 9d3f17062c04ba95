-- Create the direct conversation of two users if it doesn't exist: one row when it is new, none when it exists. Run under the
-- pair's advisory lock, so that a block of either side is seen by one of the two statements. Only the creator sees it while it is
-- empty. $1 conversation, $2 the lower user id, $3 the higher one, $4 the creator
INSERT INTO messaging.conversations (id, user_low, user_high, blocked, hidden_low, hidden_high, created_at, updated_at)
SELECT $1::uuid, $2::uuid, $3::uuid,
       EXISTS (
           SELECT FROM messaging.blocks
           WHERE active AND (blocker, blocked) IN (($2::uuid, $3::uuid), ($3::uuid, $2::uuid))
       ),
       $4::uuid IS DISTINCT FROM $2::uuid, $4::uuid IS DISTINCT FROM $3::uuid,
       now(), now()
ON CONFLICT (id) DO NOTHING
RETURNING id
