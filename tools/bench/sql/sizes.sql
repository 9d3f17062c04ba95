-- What the messages and their indexes take: name, bytes.
SELECT c.relname AS name, pg_relation_size(c.oid) AS bytes
FROM pg_class c
WHERE c.oid = 'messaging.messages'::regclass
    OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'messaging.messages'::regclass)
ORDER BY c.relname
