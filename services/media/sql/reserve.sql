-- $1 id, $2 user, $3 conversation, $4 name, $5 MIME type, $6 size, $7 seconds in which the bytes have to come
INSERT INTO media.uploads (id, user_id, conversation_id, state, name, mime_type, size, expires_at)
VALUES ($1, $2, $3, 'reserved', $4, $5, $6, now() + make_interval(secs => $7))
RETURNING expires_at
