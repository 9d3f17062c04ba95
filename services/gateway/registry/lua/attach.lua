-- Follows epoch.lua of shared.redis, which has `checked_epoch`, `known_epoch`, `epoch_of` and `tag_in`, and budget.lua.
-- Register routes of connections of one gateway, and read each user's inbox from the cursor its client has, in one step:
-- an event is either among those returned here, or later in the inbox, or published to the registered gateway.
-- ARGV: 1 gateway id, 2 msgpack list of {user, connection, cursor or '', key of the budget that counts the handshake, or ''},
--       3 most connections of a user (0: no limit),
--       4 seconds that inboxes live, 5 seconds that routes live, 6 close code of evicted connections, 7 random 31-bit tag,
--       8 bytes of event texts after which a page of an inbox ends, 9 ms for one handshake, 10 most handshakes at once
-- Returns for each item {ms to wait} when the budget is used up: then nothing is registered. Else {1 recovered | 0 not | -1 no
-- cursor was given, id of the last entry that was read, {event texts},
-- Unix seconds up to which tokens of the user are revoked, or nil, 1 when there are more entries after that one, else 0,
-- nil when the user's friends are cached, else the version under which they must be read}.
local gateway, items = ARGV[1], cmsgpack.unpack(ARGV[2])
local most, inbox_seconds, route_seconds = tonumber(ARGV[3]), ARGV[4], ARGV[5]
local close_code, page_bytes = tonumber(ARGV[6]), tonumber(ARGV[8])
local handshake_ms, handshakes = tonumber(ARGV[9]), tonumber(ARGV[10])
local epoch = checked_epoch()
local tag = tag_in(epoch, ARGV[7])
local ENTRIES_AT_ONCE = 8

local function offset_of(id)
  return string.match(id, '^(%d+)-')
end

-- An inbox without an entry of this epoch gets an entry without event, so that there is always a cursor.
local function anchor(user)
  local counter = '{{INBOX_OFFSET}}' .. user
  local offset = string.format('%.0f', redis.call('INCR', counter))
  if offset == '1' then
    -- The first offset comes from the clock, so an inbox that is created again never repeats offsets.
    local time = redis.call('TIME')
    offset = string.format('%.0f', (time[1] * 1000000 + time[2]) * 2)
    redis.call('SET', counter, offset)
    redis.call('DEL', '{{INBOX}}' .. user)
  end
  local id = offset .. '-' .. tag
  redis.call('XADD', '{{INBOX}}' .. user, id, '{{ENTRY_TEXT}}', '', '{{ENTRY_PEER}}', '')
  return id
end

local function newest(user)
  local entry = redis.call('XREVRANGE', '{{INBOX}}' .. user, '+', '-', 'COUNT', 1)[1]
  local counter = redis.call('GET', '{{INBOX_OFFSET}}' .. user)
  if entry and counter and offset_of(entry[1]) == counter and epoch_of(entry[1]) == epoch then
    return entry[1]
  end
  return anchor(user)
end

-- True when no entry is missing between `cursor` and the end. Called only for an inbox that has a gap: when its end was lost, an
-- entry was added beyond it (`anchor`).
local function is_whole(inbox, cursor, last)
  local first = redis.call('XRANGE', inbox, '-', '+', 'COUNT', 1)[1][1]
  if offset_of(last) - offset_of(first) + 1 == redis.call('XLEN', inbox) then
    return true
  end
  local expected, from = tonumber(offset_of(cursor)), '(' .. cursor
  repeat
    local entries = redis.call('XRANGE', inbox, from, '+', 'COUNT', ENTRIES_AT_ONCE)
    for _, entry in ipairs(entries) do
      expected, from = expected + 1, '(' .. entry[1]
      if tonumber(offset_of(entry[1])) ~= expected then
        return false
      end
    end
  until #entries < ENTRIES_AT_ONCE
  return true
end

-- The texts after the cursor, up to a page, the id of the last entry read, and whether more follow; nil when the inbox doesn't
-- hold the cursor and everything since. For a cursor that is unknown or too old, only the search costs anything.
local function page_after(user, cursor, last)
  local inbox = '{{INBOX}}' .. user
  if not redis.call('XRANGE', inbox, cursor, cursor)[1] or not is_whole(inbox, cursor, last) then
    return nil
  end
  local texts, hidden, bytes, read, count, seen, seen_bytes = {}, {}, 0, cursor, 1, 0, 0
  while read ~= last and bytes < page_bytes do
    for _, entry in ipairs(redis.call('XRANGE', inbox, '(' .. read, '+', 'COUNT', count)) do
      local id, fields = entry[1], entry[2]
      local text, peer, total = fields[{{ENTRY_TEXT_PLACE}}], fields[{{ENTRY_PEER_PLACE}}], fields[{{ENTRY_TOTAL_PLACE}}]
      if peer ~= '' and hidden[peer] == nil then
        hidden[peer] = redis.call('SISMEMBER', '{{BLOCKED}}' .. user, peer) == 1
      end
      read, seen, seen_bytes = id, seen + 1, seen_bytes + #text
      if text ~= '' and not hidden[peer] then
        texts[#texts + 1] = text .. (total and total .. '{{COUNT_END}}' or '') .. '{{CURSOR_BEGIN}}' .. id .. '{{CURSOR_END}}'
        bytes = bytes + #text
        if bytes >= page_bytes then
          break
        end
      end
    end
    -- About as many entries as there is room for: large ones that don't fit would be read for nothing.
    local fitting = math.ceil((page_bytes - bytes) * seen / math.max(seen_bytes, 1))
    count = math.max(1, math.min(2 * count, fitting, ENTRIES_AT_ONCE))
  end
  return texts, read, read ~= last
end

-- The user's other connections, oldest first. Routes to a gateway without a subscription are removed: if it is alive, it will
-- register its connections again.
local function others_living(routes, connection)
  local connections, all = {}, redis.call('HGETALL', routes)
  for i = 1, #all, 2 do
    local other, owner = all[i], all[i + 1]
    -- This connection is the newest, even if its id sorts before others: the clock of its gateway's machine may be behind.
    if other ~= connection then
      if owner == gateway or redis.call('PUBSUB', '{{NUMSUB}}', '{{GATEWAY}}' .. owner)[2] > 0 then
        connections[#connections + 1] = other
      else
        redis.call('HDEL', routes, other)
      end
    end
  end
  table.sort(connections)
  return connections
end

local function evict_oldest(user, routes, connection)
  if redis.call('HLEN', routes) <= most then
    return
  end
  local connections = others_living(routes, connection)
  for i = 1, #connections + 1 - most do
    local owner = redis.call('HGET', routes, connections[i])
    redis.call('HDEL', routes, connections[i])
    local order = relay.CloseOrder{close_code = close_code, user_id = user, connection_id = connections[i]}
    redis.call('{{PUBLISH}}', '{{GATEWAY}}' .. owner, cmsgpack.pack(relay.Downlink{close_orders = {order}}))
  end
end

local function register(user, connection, cursor)
  local routes = '{{ROUTES}}' .. user
  redis.call('HSET', routes, connection, gateway)
  redis.call('SADD', '{{CONNECTIONS}}' .. gateway, user .. ' ' .. connection)
  redis.call('EXPIRE', routes, route_seconds)
  if most > 0 then
    evict_oldest(user, routes, connection)
  end
  local last = newest(user)
  redis.call('EXPIRE', '{{INBOX}}' .. user, inbox_seconds)
  redis.call('EXPIRE', '{{INBOX_OFFSET}}' .. user, inbox_seconds)
  local texts, read, more
  if cursor ~= '' and epoch_of(cursor) == epoch then
    texts, read, more = page_after(user, cursor, last)
  end
  local revoked = redis.call('GET', '{{REVOKED}}' .. user)
  local missing = redis.call('EXISTS', '{{FRIENDS}}' .. user) == 0 and (redis.call('GET', '{{FRIENDS_VERSION}}' .. user) or '')
  return {cursor == '' and -1 or texts and 1 or 0, read or last, texts or {}, revoked, more and 1 or 0, missing}
end

local results = {}
for i, item in ipairs(items) do
  local user, connection, cursor, budget = unpack(item)
  local allowed, wait_ms = 1, 0
  if budget ~= '' then
    allowed, wait_ms = take_budget(budget, 1, handshake_ms, handshakes, 0, clock_ms())
  end
  results[i] = allowed > 0 and register(user, connection, cursor) or {wait_ms}
end
return results
