-- Follows state.lua, which has its functions: `effective`, `seen`, `friends`, `knows_absent`, RANK.
-- Presence events, for the scripts that publish them. A script calls `begin_events`, collects events for gateways, and calls
-- `flush`.

-- [status → JSON of a user's status, kind → JSON of the event, JSON of `status.bulk`], with `%s` as placeholders.
local STATUS_TEXTS, EVENTS, BULK, known_absent

local function begin_events(templates)
  STATUS_TEXTS, EVENTS, BULK = unpack(templates)
  known_absent = knows_absent()
end

-- RFC 3339 of Unix seconds, as JSON. Days to a date: Howard Hinnant, «chrono-Compatible Low-Level Date Algorithms»,
-- civil_from_days.
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

local texts_known = {}
local function described(user)
  local text = texts_known[user]
  if not text then
    text = string.format(STATUS_TEXTS[effective(user)], user, instant(seen(user)))
    texts_known[user] = text
  end
  return text
end

-- The user as a viewer with a block sees it: offline since the block began, or never seen when that time isn't known.
local function absent(user, viewer)
  return string.format(STATUS_TEXTS.offline, user, instant(tonumber(redis.call('HGET', '{{ABSENCES}}' .. user, viewer) or nil)))
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

-- The events of an announcement that are still true. When there is a later announcement, that one publishes the rest.
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

-- Collect one of the `parts` of the `status.bulk` of a user's connections ([gateway, connection]…), with friends and friends with
-- a block. False: a friend's status can't be known.
local function collect_bulk(connections, viewer, users, hidden, parts)
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
  local text = string.format(BULK, table.concat(texts, ','))
  for _, place in ipairs(connections) do
    local connection_events = downlink(place[1]).connection_events
    connection_events[#connection_events + 1] = relay.ConnectionEvent{connection_id = place[2], text = text, bulk_parts = parts}
  end
  return true
end

local function flush()
  for gateway, found in pairs(outgoing) do
    local body = relay.Downlink{transient_events = found.transient_events, connection_events = found.connection_events}
    redis.call('{{PUBLISH}}', '{{GATEWAY}}' .. gateway, cmsgpack.pack(body))
  end
end
