-- Store which connections' clients are active (in use) and which aren't.
-- ARGV: 1 msgpack list of {user, connection, active}, 2 TTL of a user's states in seconds
for _, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key = '{{INACTIVE}}' .. item[1]
  if item[3] then
    redis.call('SREM', key, item[2])
  else
    redis.call('SADD', key, item[2])
    redis.call('EXPIRE', key, ARGV[2])
  end
end
return 1
