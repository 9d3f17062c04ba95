-- Follows state.lua, which has its functions: `effective`, `seen`, `friends`, `knows_absent`, RANK.
-- Publish users' statuses to friends. A status is read and published in one step, on the user's own server: so events about a
-- user reach each gateway in the order in which they became true, whichever replica publishes them.
-- ARGV[1]: msgpack [templates, announcements, bulks, seconds that a version of a friend list is kept]
-- templates: [status → JSON of a user's status, kind → JSON of the event, JSON of `status.bulk`], with `%s` as place holders.
-- An announcement: [user, [kind…], announcement, friends' version, gateway → [receiver…], mode, [viewer, now] or nil].
--   With an announcement (its due time, else ''): published once, by the replica that holds the latest.
--   With a version: only while the user's friend list is the one that the receivers were chosen from.
--   Mode "tell": the true status. "hide": that the user is offline. "block": the viewer sees the user as offline from now on;
--   receivers that saw the user online are told. Where a block stands already, nothing is published.
-- A bulk: [gateway, connection, user, [friend…], [friend behind a block…], number of parts of the whole `status.bulk`].
-- Returns the 0-based indices of announcements whose version is out of date, and of bulks that were not published because the
-- status of a friend can't be known. Nor is somebody said to be offline then, unless that has just become true.

local templates, announcements, bulks, VERSION_SECONDS = unpack(cmsgpack.unpack(ARGV[1]))
local STATUSES, EVENTS, BULK = unpack(templates)

-- RFC 3339 of Unix seconds, as JSON. Days to a date: Howard Hinnant, «chrono-Compatible Low-Level Date Algorithms», civil_from_days.
local function instant(seconds)
  if not seconds then
    return 'null'
  end
  local z = math.floor(seconds / 86400) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  local day, time = doy - math.floor((153 * mp + 2) / 5) + 1, seconds % 86400
  return string.format(
    '"%04d-%02d-%02dT%02d:%02d:%02d.000Z"', year, month, day, math.floor(time / 3600), math.floor(time % 3600 / 60), time % 60
  )
end

local known = {}
local function described(user)
  local text = known[user]
  if not text then
    text = string.format(STATUSES[effective(user)], user, instant(seen(user)))
    known[user] = text
  end
  return text
end

-- The user as seen by a viewer behind a block: offline since the block began, or never seen when that time isn't known.
local function absent(user, viewer)
  return string.format(STATUSES.offline, user, instant(tonumber(redis.call('HGET', '{{ABSENCES}}' .. user, viewer) or nil)))
end

-- Store since when a viewer sees the user as offline. False when a block had stored it already.
local function begin_block(user, viewer, now, offline)
  local at = seen(user)
  if not offline then
    at = math.max(at or 0, now)
  end
  return redis.call('HSETNX', '{{ABSENCES}}' .. user, viewer, at or '') == 1
end

local outgoing = {}
local function downlink(gateway)
  local found = outgoing[gateway]
  if not found then
    found = { transient_events = {}, connection_events = {} }
    outgoing[gateway] = found
  end
  return found
end

local function tell(user, gateways, text)
  for gateway, receivers in pairs(gateways) do
    local transient_events = downlink(gateway).transient_events
    transient_events[#transient_events + 1] = relay.TransientEvent{user_ids = receivers, text = text, about = user}
  end
end

local function hide(user, gateways)
  for gateway, receivers in pairs(gateways) do
    for _, receiver in ipairs(receivers) do
      tell(user, { [gateway] = { receiver } }, string.format(EVENTS.offline, absent(user, receiver)))
    end
  end
end

-- The events of an announcement that are true now. When a later announcement has overtaken it, that one publishes the rest.
local function timely(kinds, offline, latest)
  local chosen = {}
  for _, kind in ipairs(kinds) do
    if (kind == 'offline') == offline and (latest or kind == 'online') then
      chosen[#chosen + 1] = kind
    end
  end
  if latest and #chosen == 0 then
    chosen[1] = offline and 'offline' or 'online'
  end
  return chosen
end

local function claim(user, announcement)
  if announcement == '' then
    return true
  end
  local latest = tonumber(redis.call('ZSCORE', '{{ANNOUNCEMENTS}}', user) or nil) == tonumber(announcement)
  if latest then
    redis.call('ZREM', '{{ANNOUNCEMENTS}}', user)
  end
  return latest
end

local stale, withheld, known_absent = {}, {}, knows_absent()
for i, entry in ipairs(announcements) do
  local user, kinds, announcement, version, gateways, mode, block = unpack(entry)
  local offline = effective(user) == 'offline'
  if version and (redis.call('GET', '{{FRIENDS_VERSION}}' .. user) or '') ~= version then
    stale[#stale + 1] = i - 1
  elseif mode == 'hide' then
    hide(user, gateways)
  elseif mode == 'block' then
    redis.call('INCR', '{{FRIENDS_VERSION}}' .. user)
    redis.call('EXPIRE', '{{FRIENDS_VERSION}}' .. user, VERSION_SECONDS)
    redis.call('DEL', '{{FRIENDS}}' .. user)
    if begin_block(user, block[1], block[2], offline) and not offline then
      hide(user, gateways)
    end
  elseif known_absent or not offline or announcement ~= '' then
    for _, kind in ipairs(timely(kinds, offline, claim(user, announcement))) do
      tell(user, gateways, string.format(EVENTS[kind], described(user)))
    end
  end
end

local function send_bulk(bulk)
  local gateway, connection, viewer, users, hidden, parts = unpack(bulk)
  local texts = {}
  for i, user in ipairs(users) do
    if not known_absent and effective(user) == 'offline' then
      return false
    end
    texts[i] = described(user)
  end
  for _, user in ipairs(hidden) do
    texts[#texts + 1] = absent(user, viewer)
  end
  local connection_events = downlink(gateway).connection_events
  local text = string.format(BULK, table.concat(texts, ','))
  connection_events[#connection_events + 1] = relay.ConnectionEvent{connection_id = connection, text = text, bulk_parts = parts}
  return true
end

for i, bulk in ipairs(bulks) do
  if not send_bulk(bulk) then
    withheld[#withheld + 1] = i - 1
  end
end

for gateway, found in pairs(outgoing) do
  local body = relay.Downlink{transient_events = found.transient_events, connection_events = found.connection_events}
  redis.call('{{PUBLISH}}', '{{GATEWAY}}' .. gateway, cmsgpack.pack(body))
end
return { stale, withheld }
