-- Remove routes of connections that are gone. Their users' inboxes live on from now.
-- ARGV: 1 msgpack list of {user, connection}, 2 seconds that inboxes live
for _, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  redis.call('HDEL', '{{ROUTES}}' .. item[1], item[2])
  redis.call('EXPIRE', '{{INBOX}}' .. item[1], ARGV[2])
  redis.call('EXPIRE', '{{INBOX_OFFSET}}' .. item[1], ARGV[2])
end
return 1
