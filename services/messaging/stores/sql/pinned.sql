-- How many conversations other than one a user has pinned. $1 user, $2 conversation
SELECT (SELECT count(*) FROM messaging.conversations WHERE user_low = $1 AND place_low IN (1, 3, 5) AND id <> $2)
     + (SELECT count(*) FROM messaging.conversations WHERE user_high = $1 AND place_high IN (1, 3, 5) AND id <> $2)
