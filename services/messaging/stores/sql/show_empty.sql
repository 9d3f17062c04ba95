-- A user who opens an empty conversation has it in the list from now on, as its creator has. $1 conversation, $2 user
UPDATE messaging.conversations
SET hidden_low = hidden_low AND user_low <> $2::uuid,
    hidden_high = hidden_high AND user_high <> $2::uuid,
    placed_low_at = CASE WHEN user_low = $2::uuid THEN clock_timestamp() ELSE placed_low_at END,
    placed_high_at = CASE WHEN user_high = $2::uuid THEN clock_timestamp() ELSE placed_high_at END
WHERE id = $1::uuid AND last_seq = 0
    AND ((user_low = $2::uuid AND hidden_low) OR (user_high = $2::uuid AND hidden_high))
