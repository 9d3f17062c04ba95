-- Take an upload for processing. Returns a row when nobody else is processing it. $1 id, $2 user, $3 seconds to process it
UPDATE media.uploads
SET state = 'processing', processing_until = now() + make_interval(secs => $3)
WHERE id = $1 AND user_id = $2
    AND ((state = 'reserved' AND expires_at > now()) OR (state = 'processing' AND processing_until < now()))
RETURNING id::text, user_id::text, conversation_id::text, state, name, mime_type, size, media, reason,
          expires_at > now() AS standing
