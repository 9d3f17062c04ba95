-- Cache users' friends, unless these changed since the version was read. Long lists come in several calls.
-- ARGV[1]: msgpack [seconds to keep them, seconds to keep a part, [[user, version, id of this caching, [friend…], how many
-- friends all parts have, or -1 before the last part]…]]. At most 1,000 friends an entry, because they are arguments of one
-- command.

local seconds, part_seconds, entries = unpack(cmsgpack.unpack(ARGV[1]))
for _, entry in ipairs(entries) do
  local user, version, id, ids, total = unpack(entry)
  local part = '{{FRIENDS}}' .. user .. ':' .. id
  -- The empty text marks a cached list, because a list may have no friends.
  redis.call('SADD', part, '', unpack(ids))
  if total < 0 then
    redis.call('EXPIRE', part, part_seconds)
  -- A last call that is repeated finds no earlier parts.
  elseif redis.call('SCARD', part) == total + 1 and (redis.call('GET', '{{FRIENDS_VERSION}}' .. user) or '') == version then
    redis.call('RENAME', part, '{{FRIENDS}}' .. user)
    redis.call('EXPIRE', '{{FRIENDS}}' .. user, seconds)
  else
    redis.call('UNLINK', part)
  end
end
return #entries
