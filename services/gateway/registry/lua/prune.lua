-- Remove a user's routes to a gateway that holds none of the user's connections, unless they were added after the gateway looked.
-- ARGV: 1 gateway id, 2 user id, 3 a connection id made just now: ids sort by age
local routes = '{{ROUTES}}' .. ARGV[2]
local all = redis.call('HGETALL', routes)
for i = 1, #all, 2 do
  if all[i + 1] == ARGV[1] and all[i] < ARGV[3] then
    redis.call('HDEL', routes, all[i])
  end
end
return 1
