-- When the token of another user with this username was issued, if there is one. A user stored by an older release has no key
-- yet. $1 the requesting user, $2 the username, $3 its key
SELECT max(claimed_at)
FROM directory.users
WHERE (username_key = $3 OR (username_key IS NULL AND username = $2)) AND id <> $1::uuid
