-- Follows state.lua and events.lua, which have its functions: `effective`, `seen`, `begin_events`, `absent`, `tell`, `timely`,
-- `collect_bulk`, `flush`.
-- Publish users' statuses to friends. A status is read and published in one step, on the user's own server. So events about a
-- user reach each gateway in the right order, whichever replica publishes them.
-- ARGV[1]: msgpack [templates, announcements, bulks, seconds that a version of a friend list is kept]
-- An announcement: [user, [kind…], announcement, friends' version, gateway → [receiver…], mode, [viewer, now] or nil].
--   With an announcement (its due time, else ''): published once, by the replica that holds the latest.
--   With a version: only while the user's friend list is the one that the receivers were chosen from.
--   Mode "tell": the true status. "hide": that the user is offline. "block": the viewer sees the user as offline from now on;
--   receivers that saw the user online are told. When there is a block already, nothing is published.
-- A bulk: [[[gateway, connection]…], user, [friend…], [friend with a block…], number of parts of the whole `status.bulk`].
-- Returns the 0-based indexes of announcements with an outdated version, and of bulks that were not published because the status
-- of a friend can't be known. In that state nobody is announced as offline either, unless that has just become true.

local templates, announcements, bulks, VERSION_SECONDS = unpack(cmsgpack.unpack(ARGV[1]))
begin_events(templates)

-- Store since when a viewer sees the user as offline. False when an earlier block has stored it already.
local function begin_block(user, viewer, now, offline)
  local at = seen(user)
  if not offline then
    at = math.max(at or 0, now)
  end
  return redis.call('HSETNX', '{{ABSENCES}}' .. user, viewer, at or '') == 1
end

local function hide(user, gateways)
  for gateway, receivers in pairs(gateways) do
    for _, receiver in ipairs(receivers) do
      tell(user, { [gateway] = { receiver } }, string.format(EVENTS.offline, absent(user, receiver)))
    end
  end
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

local stale, withheld = {}, {}
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

for i, bulk in ipairs(bulks) do
  if not collect_bulk(unpack(bulk)) then
    withheld[#withheld + 1] = i - 1
  end
end

flush()
return { stale, withheld }
