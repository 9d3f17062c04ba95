-- The push settings for some receivers, in order. $1 user ids, $2 a conversation id for each
SELECT COALESCE(s.preview, true) AS preview, s.time_zone, s.quiet_from, s.quiet_to, s.muted_until,
       m.muted_until AS conversation_muted_until
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS asked (user_id, conversation_id, place)
LEFT JOIN notifier.push_settings s ON s.user_id = asked.user_id
LEFT JOIN notifier.muted_conversations m
       ON m.user_id = asked.user_id AND m.conversation_id = asked.conversation_id
ORDER BY asked.place
