-- Release the uploads of messages that are being deleted: they are no longer served, and media deletes their objects.
-- $1 conversations, $2 seqs: one of each for each message
UPDATE media.uploads u
SET state = 'released', name = '', media = NULL
FROM unnest($1::uuid[], $2::bigint[]) AS g (conversation_id, seq)
WHERE u.conversation_id = g.conversation_id AND u.message_seq = g.seq AND u.state = 'used'
