-- Attach uploads to the messages that were stored with them, in the same transaction. $1 upload ids, $2 seqs, $3 keys of the
-- messages
UPDATE media.uploads u
SET state = 'used', message_seq = g.seq, message_key = g.key
FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS g (id, seq, key)
WHERE u.id = g.id AND u.state = 'ready'
