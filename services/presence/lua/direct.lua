-- Follows state.lua, friend_lists.lua, lease_rules.lua and events.lua, which have its functions.
-- Apply gateways' reports about connections, and tell friends, in one step, where that needs only data of this server.
-- Gateways run this script themselves, by the SHA-1 that presence publishes (`keys.DIRECT_PRESENCE`).
-- ARGV[1]: the settings that presence published with it, msgpack [templates (`begin_events`), timing (`begin_rules`), how many
-- friends a user may have, how many friends of all commands together are read, for how many seconds friends are cached].
-- ARGV[2]: now, Unix ms. ARGV[3]: msgpack relay.PresenceBatch.
-- ARGV[4]: friends that the gateway has read, msgpack [relay.FriendList…], or none.
-- Returns the 0-based indexes of commands that presence must carry out. They may have been carried out in part; repeating that
-- changes nothing.

local templates, timing, most_of_one, most_of_all, cache_seconds = unpack(cmsgpack.unpack(ARGV[1]))
local commands = cmsgpack.unpack(ARGV[3])[relay.PresenceBatch.commands]
begin_rules(tonumber(ARGV[2]), timing, false)
begin_events(templates)
for _, list in ipairs(ARGV[4] and cmsgpack.unpack(ARGV[4]) or {}) do
  cache_friends(cache_seconds, list)
end

local ABSENT = '-'
local looked_at = 0

-- The user's friends, and those with a block. Nil when they aren't cached here, or too many.
local function friends_and_absent(user)
  -- An empty text marks a cached list.
  local count = redis.call('SCARD', '{{FRIENDS}}' .. user) - 1
  if count < 0 or count > most_of_one or looked_at + count > most_of_all then
    return nil
  end
  looked_at = looked_at + count
  local found, hidden = {}, {}
  for _, member in ipairs(count > 0 and redis.call('SMEMBERS', '{{FRIENDS}}' .. user) or {}) do
    if string.sub(member, 1, 1) == ABSENT then
      hidden[#hidden + 1] = string.sub(member, 2)
    elseif member ~= '' then
      found[#found + 1] = member
    end
  end
  return found, hidden
end

-- gateway → the receivers with connections there.
local function gateways_of(receivers)
  local gateways = {}
  for _, receiver in ipairs(receivers) do
    local counted = {}
    for _, gateway in ipairs(redis.call('HVALS', '{{ROUTES}}' .. receiver)) do
      if not counted[gateway] then
        counted[gateway] = true
        local there = gateways[gateway] or {}
        there[#there + 1] = receiver
        gateways[gateway] = there
      end
    end
  end
  return gateways
end

-- As `rules.kinds_of`.
local function kinds_of(before, after)
  if after == 'offline' then
    return { 'offline' }
  elseif before ~= 'offline' then
    return { 'status' }
  elseif after == 'online' then
    return { 'online' }
  end
  return { 'online', 'status' }
end

-- As `handlers._change`.
local change_of = {
  connected = function(command, at)
    local connection, status = command[relay.Connected.connection_id], command[relay.Connected.status]
    return status == '' and { 'hold', connection, at } or { 'choose', connection, at, status }
  end,
  disconnected = function(command, at)
    local clean, certain = command[relay.Disconnected.clean], command[relay.Disconnected.certain]
    local kind = clean and 'close' or certain and 'lose' or 'doubt'
    return { kind, command[relay.Disconnected.connection_id], at, command[relay.Disconnected.reconnect_ms] }
  end,
  status = function(command, at)
    return { 'choose', command[relay.SetStatus.connection_id], at, command[relay.SetStatus.status] }
  end,
}
local time_of = {
  connected = relay.Connected.at_ms,
  disconnected = relay.Disconnected.at_ms,
  status = relay.SetStatus.at_ms,
}

local function publish(user, receivers, kinds)
  local gateways = gateways_of(receivers)
  for _, kind in ipairs(kinds) do
    tell(user, gateways, string.format(EVENTS[kind], described(user)))
  end
end

-- Tell friends of the change, and answer the user's own connections.
local function announce(user, found, before, after, changed, asked)
  texts_known[user] = nil
  if changed then
    -- This transition replaces an earlier one that still waits to be announced.
    redis.call('ZREM', '{{ANNOUNCEMENTS}}', user)
    local kinds, receivers = kinds_of(before, after), found
    if kinds[1] == 'status' then
      receivers = { user, unpack(found) }
    end
    publish(user, receivers, kinds)
  end
  if asked and not (changed and before ~= 'offline') and (known_absent or after ~= 'offline') then
    publish(user, { user }, { after == 'offline' and 'offline' or 'status' })
  end
end

local bulks = {}

-- False when presence must carry the command out.
local function carry_out(place, command)
  local kind = table.remove(command, 1)
  local user = command[relay.Connected.user_id]
  local found, hidden = friends_and_absent(user)
  if not found then
    return false
  end
  local change = change_of[kind](command, math.min(command[time_of[kind]], now))
  local before, after, changed = apply_changes(user, { change })
  announce(user, found, before, after, changed, kind == 'status')
  if kind == 'connected' then
    local gateway, connection = command[relay.Connected.gateway_id], command[relay.Connected.connection_id]
    bulks[#bulks + 1] = { place, { { gateway, connection } }, user, found, hidden, 1 }
  end
  return true
end

-- The script was withdrawn: presence must carry out everything, for instance because webhooks must be told.
local is_provided = redis.call('EXISTS', '{{DIRECT_PRESENCE}}') == 1
local left = {}
for i, command in ipairs(commands) do
  if not is_provided or not carry_out(i - 1, command) then
    left[#left + 1] = i - 1
  end
end
-- Snapshots come last, so that they are read after the events of the same call.
for _, bulk in ipairs(bulks) do
  if not collect_bulk(unpack(bulk, 2)) then
    left[#left + 1] = bulk[1]
  end
end
flush()
return left
