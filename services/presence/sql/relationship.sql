-- Whether two users follow each other, and who of them blocks the other. $1 one, $2 the other
SELECT (SELECT count(*) FROM presence.follows
        WHERE (follower, followee) IN (($1::uuid, $2::uuid), ($2::uuid, $1::uuid))) = 2 AS mutual,
       ARRAY(SELECT blocker::text FROM presence.blocks
             WHERE active AND (blocker, blocked) IN (($1::uuid, $2::uuid), ($2::uuid, $1::uuid))) AS blockers
