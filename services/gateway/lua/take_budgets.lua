-- How much of their budgets users may take now: the generic cell rate algorithm, one number for each user and budget.
-- ARGV: 1 msgpack list of {key behind the prefix, wanted, ms for one, most at once, owed, user or ''}
-- owed: what was allowed before without asking. It counts even beyond the budget; what comes later then waits for it.
-- user: the user whose routes are checked.
-- Returns for each item {how many are allowed, ms until the next one would be, ms until the budget is whole again, 1 if the user's
-- routes all lead to one gateway}. What is refused takes nothing.

local function is_on_one_gateway(user)
  local gateways = user == '' and {} or redis.call('HVALS', '{{ROUTES}}' .. user)
  for _, gateway in ipairs(gateways) do
    if gateway ~= gateways[1] then
      return 0
    end
  end
  return #gateways > 0 and 1 or 0
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local results = {}
for i, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key, wanted, interval, burst, owed = '{{RATE}}' .. item[1], item[2], item[3], item[4], item[5]
  local full_at = math.max(tonumber(redis.call('GET', key) or 0), now) + owed * interval
  local room = math.floor((now + burst * interval - full_at) / interval)
  local allowed = math.max(0, math.min(wanted, room))
  if allowed + owed > 0 then
    full_at = full_at + allowed * interval
    redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.max(1, math.ceil(full_at - now)))
  end
  results[i] = {allowed, math.max(0, math.ceil(full_at + interval - now - burst * interval)), math.ceil(full_at - now), is_on_one_gateway(item[6])}
end
return results
