-- Release all uploads of a user who is being erased. $1 user
UPDATE media.uploads
SET state = 'released', name = '', media = NULL
WHERE user_id = $1 AND state NOT IN ('released', 'deleted')
