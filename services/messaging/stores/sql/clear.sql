-- «Delete for me»: hide everything up to now from a user, for good, and the conversation until its next message. One row, or
-- none when the conversation is not the user's: the seq up to which all is hidden, and the version of the unread count, which
-- is 0.
-- $1 user, $2 conversation
UPDATE messaging.conversations
SET cleared_low   = CASE WHEN user_low = $1 THEN last_seq ELSE cleared_low END,
    cleared_high  = CASE WHEN user_high = $1 THEN last_seq ELSE cleared_high END,
    unread_low    = CASE WHEN user_low = $1 THEN 0 ELSE unread_low END,
    unread_high   = CASE WHEN user_high = $1 THEN 0 ELSE unread_high END,
    hidden_low    = hidden_low OR user_low = $1,
    hidden_high   = hidden_high OR user_high = $1,
    archived_low  = archived_low AND user_low <> $1,
    archived_high = archived_high AND user_high <> $1,
    pinned_low    = pinned_low AND user_low <> $1,
    pinned_high   = pinned_high AND user_high <> $1,
    marked_low    = marked_low AND user_low <> $1,
    marked_high   = marked_high AND user_high <> $1,
    version       = version + 1
WHERE id = $2 AND $1 IN (user_low, user_high)
RETURNING last_seq, version
