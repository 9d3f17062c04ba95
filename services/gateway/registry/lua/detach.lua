-- Remove routes of one gateway's ended connections. The TTL of their users' inboxes starts again.
-- ARGV: 1 gateway id, 2 msgpack list of {user, connection}, 3 seconds that inboxes live
for _, item in ipairs(cmsgpack.unpack(ARGV[2])) do
  redis.call('HDEL', '{{ROUTES}}' .. item[1], item[2])
  redis.call('SREM', '{{INACTIVE}}' .. item[1], item[2])
  redis.call('SREM', '{{CONNECTIONS}}' .. ARGV[1], item[1] .. ' ' .. item[2])
  redis.call('EXPIRE', '{{INBOX}}' .. item[1], ARGV[3])
  redis.call('EXPIRE', '{{INBOX_OFFSET}}' .. item[1], ARGV[3])
end
return 1
