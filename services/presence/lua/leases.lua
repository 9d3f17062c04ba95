-- Follows state.lua and lease_rules.lua, which have its functions: `begin_rules`, `apply_changes`, `friends`.
-- Apply changes to users' connections, end expired leases, and return whose friends must be told, all in one atomic step.
-- ARGV[1]: msgpack [now, timing (`begin_rules`), [[user, [change…], wants friends]…], how many due users to sweep, whether the
-- caller consumes renewals]
-- Returns [how many were swept, [[user, status before, status after, announcement, friends' version, friends]…], when there is
-- something to sweep next] with the users that changed or want friends. The announcement (its due time, '' for none) stays until
-- it is published, so another replica can publish it.

local at, timing, users, sweep, listening = unpack(cmsgpack.unpack(ARGV[1]))
local retry = timing[3]
begin_rules(at, timing, listening)

-- Detect that the server has lost the leases.
if sweep > 0 and redis.call('EXISTS', '{{LEASES_KNOWN}}') == 0 then
  redis.call('SET', '{{LEASES_KNOWN}}', '1')
  redis.call('SET', '{{LEASES_RESTORING}}', '1', 'PX', {{LEASES_RESTORING_MS}})
end

local results = {}

local function advance(user, changes, wants_friends)
  local before, after, changed = apply_changes(user, changes)
  local announcement = ''
  if changed then
    announcement = string.format('%d', now + retry)
    redis.call('ZADD', '{{ANNOUNCEMENTS}}', announcement, user)
  end
  if wants_friends or changed then
    local version, members = friends(user)
    results[#results + 1] = { user, before, after, announcement, version, members }
  end
end

-- When the next lease ends or the next announcement is late, Unix ms as text; false when there is none.
local function next_due()
  local first = redis.call('ZRANGE', '{{LEASES_DUE}}', 0, 0, 'WITHSCORES')[2]
  local late = redis.call('ZRANGE', '{{ANNOUNCEMENTS}}', 0, 0, 'WITHSCORES')[2]
  if first and late then
    return tonumber(first) < tonumber(late) and first or late
  end
  return first or late or false
end

for _, entry in ipairs(users) do
  advance(entry[1], entry[2], entry[3])
end
local due = redis.call('ZRANGEBYSCORE', '{{LEASES_DUE}}', '-inf', now, 'LIMIT', 0, sweep)
for _, user in ipairs(due) do
  advance(user, {}, false)
end
return { #due, results, sweep > 0 and next_due() }
