-- One message without its text, by its id, and by its conversation too where that is known: $1 id, $2 conversation or NULL.
SELECT
    m.id::text, m.conversation_id::text, m.seq, m.sender_id::text, m.type, m.created_at, m.edited_at, m.deleted_at,
    CASE WHEN m.sender_id = c.user_low THEN c.user_high ELSE c.user_low END::text AS receiver_id,
    CASE WHEN m.sender_id = c.user_low THEN c.delivered_high ELSE c.delivered_low END >= m.seq AS delivered,
    CASE WHEN m.sender_id = c.user_low THEN c.read_high ELSE c.read_low END >= m.seq AS read,
    c.blocked
FROM messaging.messages AS m JOIN messaging.conversations AS c ON c.id = m.conversation_id
WHERE m.id = $1::uuid AND ($2::uuid IS NULL OR m.conversation_id = $2::uuid)
