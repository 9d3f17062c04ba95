-- Whether a user is a participant of a conversation. $1 conversation, $2 user
SELECT EXISTS (
    SELECT FROM messaging.conversations WHERE id = $1::uuid AND $2::uuid IN (user_low, user_high)
)
