-- Let what belongs to live connections live on: Redis forgets routes and inboxes whose time has passed.
-- ARGV: 1 msgpack list of {user, connection}, 2 seconds that routes live, 3 seconds that inboxes live
-- Returns the places, from 1, of connections whose route is gone.
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
