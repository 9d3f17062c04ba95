-- Follows state.lua, which has its functions: `effective`, `seen`, `friends`, `knows_absent`, RANK.
-- The rules of connections' leases: how they begin, are renewed and end. A script that applies changes calls `begin_rules`, and
-- then `apply_changes` for each user. A lease ends in `apply.close` after a clean close, and in `expire` when its time is over.
-- `tests/support/presence_model.py` holds the same rules in Python.
-- A change: ["hold" | "close" | "doubt", connection, at ms], ["choose", connection, at ms, status] or
-- ["lose", connection, at ms, ms to reconnect on top of the grace].

local now, lease, grace, renewal_wait, trusted

-- The time from which an expired lease is reliable. When no replica consumed renewals for a while, gateways first get time to
-- renew.
local function listen(renewals_missing, listening)
  local known = redis.call('HMGET', '{{RENEWAL_FEED}}', 'heard', 'trusted')
  local ends = tonumber(known[2] or 0)
  if now - tonumber(known[1] or 0) > renewals_missing then
    ends = now + renewal_wait
  end
  if listening then
    redis.call('HSET', '{{RENEWAL_FEED}}', 'heard', now, 'trusted', ends)
  end
  return ends
end

-- `at`: now, Unix ms. `timing`: [lease, grace, retry, renewals missing, renewal wait] (ms). `listening`: the caller consumes
-- renewals.
local function begin_rules(at, timing, listening)
  local _, renewals_missing
  now = at
  lease, grace, _, renewals_missing, renewal_wait = unpack(timing)
  trusted = listen(renewals_missing, listening)
end

local function closed_until(connection)
  return tonumber(redis.call('GET', '{{CLOSED_CONNECTIONS}}' .. connection) or 0)
end

local function remember_closed(connection)
  redis.call('SET', '{{CLOSED_CONNECTIONS}}' .. connection, now + lease, 'PX', lease)
end

-- A device that reconnects keeps the status of its lost connection while that one still counts, until the device sets another
-- one. Without this, friends would see an away user as online for a moment. Such a status has the time 0.
local function inherit(user, connection)
  local chosen, kept = redis.call('HGETALL', '{{STATUSES}}' .. user), nil
  for i = 1, #chosen, 2 do
    local status = string.match(chosen[i + 1], ':(.*)$')
    if closed_until(chosen[i]) > now and (not kept or RANK[status] > RANK[kept]) then
      kept = status
    end
  end
  if kept then
    redis.call('HSET', '{{STATUSES}}' .. user, connection, '0:' .. kept)
  end
end

local function end_inheritance(user)
  local chosen = redis.call('HGETALL', '{{STATUSES}}' .. user)
  for i = 1, #chosen, 2 do
    if string.match(chosen[i + 1], '^0:') then
      redis.call('HDEL', '{{STATUSES}}' .. user, chosen[i])
    end
  end
end

-- Each function returns the time of the sign of life, or nil, and whether it ended an unknown connection.
local apply = {}

function apply.hold(user, connection, at)
  if closed_until(connection) > now or at + lease <= now then
    return nil, false
  end
  if redis.call('ZADD', '{{LEASES}}' .. user, 'GT', at + lease, connection) == 1 then
    inherit(user, connection)
  end
  return at, false
end

function apply.choose(user, connection, at, status)
  if not apply.hold(user, connection, at) then
    return nil, false
  end
  local chosen = redis.call('HGET', '{{STATUSES}}' .. user, connection)
  if not chosen or tonumber(string.match(chosen, '^%d+')) <= at then
    redis.call('HSET', '{{STATUSES}}' .. user, connection, string.format('%d:%s', at, status))
  end
  return at, false
end

function apply.lose(user, connection, at, reconnect)
  if closed_until(connection) > now then
    return nil, false
  end
  remember_closed(connection)
  local known = redis.call('ZSCORE', '{{LEASES}}' .. user, connection)
  redis.call('ZADD', '{{LEASES}}' .. user, 'LT', at + grace + (reconnect or 0), connection)
  return at, not known
end

function apply.close(user, connection, at)
  local was_closed = closed_until(connection) > now
  remember_closed(connection)
  local removed = redis.call('ZREM', '{{LEASES}}' .. user, connection)
  redis.call('HDEL', '{{STATUSES}}' .. user, connection)
  end_inheritance(user)
  return at, removed == 0 and not was_closed
end

-- Another gateway reported that the connection's gateway died. A renewal would show that it didn't, so the lease is only
-- shortened.
function apply.doubt(user, connection, at)
  redis.call('ZADD', '{{LEASES}}' .. user, 'XX', 'LT', at + grace, connection)
  return nil, false
end

-- Whether a live gateway has registered the connection in Redis. Then only its renewals are missing, because the broker is away.
local function is_held(user, connection)
  local gateway = redis.call('HGET', '{{ROUTES}}' .. user, connection)
  local heard = gateway and redis.call('ZSCORE', '{{GATEWAYS_HEARD}}', gateway)
  local time = redis.call('TIME')
  return heard and time[1] * 1000 + time[2] / 1000 - tonumber(heard) < {{GATEWAY_DEAD_MS}}
end

-- End expired leases, or extend them while expiry isn't reliable. Returns the latest end among the removed ones, and the next end
-- of a lease.
local function expire(user)
  local key, last = '{{LEASES}}' .. user, nil
  while true do
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    local ends = #first > 0 and tonumber(first[2]) or nil
    if not ends or ends > now then
      if last then
        end_inheritance(user)
      end
      return last, ends
    end
    local is_closed = closed_until(first[1]) > now
    if now < trusted and not is_closed then
      redis.call('ZADD', key, trusted, first[1])
    elseif not is_closed and is_held(user, first[1]) then
      redis.call('ZADD', key, now + renewal_wait, first[1])
    else
      redis.call('ZREM', key, first[1])
      redis.call('HDEL', '{{STATUSES}}' .. user, first[1])
      last = ends
    end
  end
end

-- Store the last sign of life: with a TTL while online, without one afterwards.
local function remember(user, at, last_end, before, after)
  local known = seen(user)
  if at and (not known or at > known) then
    known = at
  elseif not at and (before == after or after ~= 'offline') then
    return
  end
  known = known or math.floor((last_end - lease) / 1000)
  if after == 'offline' then
    redis.call('SET', '{{ONLINE}}' .. user, known)
  else
    redis.call('SET', '{{ONLINE}}' .. user, known, 'PX', lease)
  end
end

-- Apply changes to a user's connections, and end expired leases. Returns the status before and after, and whether friends must be
-- told. They must also be told when an unknown connection of an offline user ended.
local function apply_changes(user, changes)
  local before, latest, stray = effective(user), nil, false
  for _, change in ipairs(changes) do
    local at, unknown = apply[change[1]](user, change[2], change[3], change[4])
    if at then
      latest = math.max(latest or 0, math.floor(at / 1000))
    end
    stray = stray or unknown
  end
  local last_end, next_end = expire(user)
  local after = effective(user)
  if next_end then
    redis.call('ZADD', '{{LEASES_DUE}}', next_end, user)
  else
    redis.call('ZREM', '{{LEASES_DUE}}', user)
  end
  remember(user, latest, last_end, before, after)
  return before, after, before ~= after or (stray and after == 'offline')
end
