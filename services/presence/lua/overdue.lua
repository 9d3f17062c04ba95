-- Follows state.lua, which has its functions: `effective`, `seen`, `friends`, `knows_absent`, RANK.
-- Claim announcements that were not published in time, because their replica died or a partition was away.
-- ARGV: now, retry (ms), how many. Returns [user, status before, status after, announcement, friends' version, friends]… as
-- `leases.lua` does; the status before is set to the opposite, so that friends are always told.

local now, retry, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local results = {}
for _, user in ipairs(redis.call('ZRANGEBYSCORE', '{{ANNOUNCEMENTS}}', '-inf', now, 'LIMIT', 0, limit)) do
  local announcement = string.format('%d', now + retry)
  redis.call('ZADD', '{{ANNOUNCEMENTS}}', announcement, user)
  local after = effective(user)
  local version, members = friends(user)
  results[#results + 1] = { user, after == 'offline' and 'online' or 'offline', after, announcement, version, members }
end
return results
