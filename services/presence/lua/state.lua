-- Functions that read one user's state. Every script of presence begins with this file.

local RANK = { offline = 0, away = 1, online = 2, busy = 3 }

-- The status that friends see. An expired lease counts until it is removed; at that moment friends are told.
-- Only leased connections have an entry in the hash; one without an entry is online.
local function effective(user)
  local live = redis.call('ZCARD', '{{LEASES}}' .. user)
  if live == 0 then
    return 'offline'
  end
  local chosen = redis.call('HVALS', '{{STATUSES}}' .. user)
  local status = #chosen < live and 'online' or 'away'
  for _, entry in ipairs(chosen) do
    local choice = string.match(entry, ':(.*)$')
    if RANK[choice] > RANK[status] then
      status = choice
    end
  end
  return status
end

-- Whether a user without a lease is offline. That is unknown while the server may have lost leases that gateways will renew.
local function knows_absent()
  return redis.call('EXISTS', '{{LEASES_KNOWN}}') == 1 and redis.call('EXISTS', '{{LEASES_RESTORING}}') == 0
end

-- Unix seconds of the last sign of life, or nil.
local function seen(user)
  return tonumber(redis.call('GET', '{{ONLINE}}' .. user) or nil)
end

-- The version of the user's friend list, and its cached members; false when they aren't cached, true when they are too many to be
-- read here. An empty text marks a cached list, because a list may have no friends.
local function friends(user)
  local version = redis.call('GET', '{{FRIENDS_VERSION}}' .. user) or ''
  local count = redis.call('SCARD', '{{FRIENDS}}' .. user)
  if count == 0 or count > {{LONG_FRIEND_LIST}} + 1 then
    return version, count > 0
  end
  local members = redis.call('SMEMBERS', '{{FRIENDS}}' .. user)
  for i, member in ipairs(members) do
    if member == '' then
      table.remove(members, i)
      break
    end
  end
  return version, members
end
