-- Cache users' friends, unless these changed since the version was read.
-- ARGV[1]: msgpack [seconds to keep them, [[user, version, [friend…]]…]]

local seconds, users = unpack(cmsgpack.unpack(ARGV[1]))
for _, entry in ipairs(users) do
  local user, version, ids = unpack(entry)
  if (redis.call('GET', '{{FRIENDS_VERSION}}' .. user) or '') == version then
    local key = '{{FRIENDS}}' .. user
    redis.call('DEL', key)
    redis.call('SADD', key, '')
    for first = 1, #ids, 1000 do
      redis.call('SADD', key, unpack(ids, first, math.min(first + 999, #ids)))
    end
    redis.call('EXPIRE', key, seconds)
  end
end
return #users
