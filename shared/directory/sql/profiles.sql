-- Users by id. $1 ids
SELECT id::text AS user_id, username, display_name, avatar FROM directory.users WHERE id = ANY ($1::uuid[])
