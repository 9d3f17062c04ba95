-- Note whose client is in use and whose isn't.
-- ARGV: 1 msgpack list of {user, connection, active}, 2 seconds after which all that is known of a user's is forgotten
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
