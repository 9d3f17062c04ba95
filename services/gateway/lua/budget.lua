-- Budgets of users: the generic cell rate algorithm, one number for each user and budget.

-- Take at most `wanted` from a budget that gets one more each `interval` ms and holds `burst`. What is refused takes nothing.
-- `key`: behind the prefix. `owed`: what was allowed before without asking. It counts even beyond the budget; what comes later
-- then waits for it. `now`: Unix ms.
-- Returns how many are allowed, ms until the next one would be, and ms until the budget is whole again.
local function take_budget(key, wanted, interval, burst, owed, now)
  local full_at = math.max(tonumber(redis.call('GET', '{{RATE}}' .. key) or 0), now) + owed * interval
  local room = math.floor((now + burst * interval - full_at) / interval)
  local allowed = math.max(0, math.min(wanted, room))
  if allowed + owed > 0 then
    full_at = full_at + allowed * interval
    redis.call('SET', '{{RATE}}' .. key, string.format('%.0f', full_at), 'PX', math.max(1, math.ceil(full_at - now)))
  end
  return allowed, math.max(0, math.ceil(full_at + interval - now - burst * interval)), math.ceil(full_at - now)
end

-- Redis' clock, Unix ms.
local function clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
