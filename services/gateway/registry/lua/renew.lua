-- Extend the TTL of live connections' routes and inboxes.
-- ARGV: 1 msgpack list of {user, connection}, 2 seconds that routes live, 3 seconds that inboxes live
-- Returns the indexes, from 1, of connections whose route is gone.
local gone = {}
for i, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local routes = '{{ROUTES}}' .. item[1]
  if redis.call('HEXISTS', routes, item[2]) == 0 then
    gone[#gone + 1] = i
  end
  redis.call('EXPIRE', routes, ARGV[2])
  redis.call('EXPIRE', '{{INBOX}}' .. item[1], ARGV[3])
  redis.call('EXPIRE', '{{INBOX_OFFSET}}' .. item[1], ARGV[3])
end
return gone
