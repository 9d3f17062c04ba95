-- Follows budget.lua, which has `take_budget` and `clock_ms`.
-- How much of their budgets users may take now.
-- ARGV: 1 msgpack list of {key behind the prefix, wanted, ms for one, burst, uncounted, user or ''}
-- user: the user whose routes are checked.
-- Returns for each item {how many are allowed, ms until the next one would be, ms until the bucket is full again, 1 if the user's
-- routes all lead to one gateway}.

local function is_on_one_gateway(user)
  local gateways = user == '' and {} or redis.call('HVALS', '{{ROUTES}}' .. user)
  for _, gateway in ipairs(gateways) do
    if gateway ~= gateways[1] then
      return 0
    end
  end
  return #gateways > 0 and 1 or 0
end

local now = clock_ms()
local results = {}
for i, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key, wanted, interval, burst, uncounted, user = unpack(item)
  local allowed, next_ms, full_ms = take_budget(key, wanted, interval, burst, uncounted, now)
  results[i] = {allowed, next_ms, full_ms, is_on_one_gateway(user)}
end
return results
