-- Caches the lists of friends that a gateway has read.

-- Cache a user's friends for `seconds`, unless these changed since the version was read. `list`: relay.FriendList with so few
-- members that one command takes all.
local function cache_friends(seconds, list)
  local user, key = list[relay.FriendList.user_id], '{{FRIENDS}}' .. list[relay.FriendList.user_id]
  if (redis.call('GET', '{{FRIENDS_VERSION}}' .. user) or '') == list[relay.FriendList.version] then
    redis.call('DEL', key)
    redis.call('SADD', key, '', unpack(list[relay.FriendList.members]))
    redis.call('EXPIRE', key, seconds)
  end
end
