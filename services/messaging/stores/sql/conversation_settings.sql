-- Change what a user has set of a conversation. One row, or none when the conversation is not the user's: the time of the change,
-- in Unix ms. $1 user, $2 conversation, $3 set the mute?, $4 muted until or null, $5 archived, $6 pinned, $7 marked unread: null
-- leaves it
UPDATE messaging.conversations
SET muted_low_until  = CASE WHEN user_low = $1 AND $3 THEN $4 ELSE muted_low_until END,
    muted_high_until = CASE WHEN user_high = $1 AND $3 THEN $4 ELSE muted_high_until END,
    archived_low     = CASE WHEN user_low = $1 THEN COALESCE($5, archived_low) ELSE archived_low END,
    archived_high    = CASE WHEN user_high = $1 THEN COALESCE($5, archived_high) ELSE archived_high END,
    pinned_low       = CASE WHEN user_low = $1 THEN COALESCE($6, pinned_low) ELSE pinned_low END,
    pinned_high      = CASE WHEN user_high = $1 THEN COALESCE($6, pinned_high) ELSE pinned_high END,
    marked_low       = CASE WHEN user_low = $1 THEN COALESCE($7, marked_low) ELSE marked_low END,
    marked_high      = CASE WHEN user_high = $1 THEN COALESCE($7, marked_high) ELSE marked_high END,
    placed_low_at    = CASE WHEN user_low = $1 AND num_nonnulls($5, $6) > 0 THEN clock_timestamp() ELSE placed_low_at END,
    placed_high_at   = CASE WHEN user_high = $1 AND num_nonnulls($5, $6) > 0 THEN clock_timestamp() ELSE placed_high_at END
WHERE id = $2 AND $1 IN (user_low, user_high)
RETURNING (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS changed_ms
