-- Budgets of users: token buckets (generic cell rate algorithm: ITU-T I.371, annex A). One number is stored for each user and
-- budget: when the bucket is full again.

-- Take at most `wanted` from a bucket that gets one more each `interval` ms and holds `burst`. What is refused takes nothing.
-- `key`: behind the prefix. `uncounted`: what a gateway allowed before by itself. It is taken even when the bucket has less; what
-- comes later then waits for it. `now`: Unix ms.
-- Returns how many are allowed, ms until the next one would be, and ms until the bucket is full again.
local function take_budget(key, wanted, interval, burst, uncounted, now)
  local full_at = math.max(tonumber(redis.call('GET', '{{RATE}}' .. key) or 0), now) + uncounted * interval
  -- A full bucket has a whole number of tokens, which floats can't always represent exactly.
  local tokens = math.floor((now + burst * interval - full_at) / interval + 0.01)
  local allowed = math.max(0, math.min(wanted, tokens))
  if allowed + uncounted > 0 then
    full_at = full_at + allowed * interval
    redis.call('SET', '{{RATE}}' .. key, string.format('%.3f', full_at), 'PX', math.max(1, math.ceil(full_at - now)))
  end
  return allowed, math.max(0, math.ceil(full_at + interval - now - burst * interval)), math.ceil(full_at - now)
end

-- Redis' clock, Unix ms.
local function clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
