-- How many messages each user may send now: the generic cell rate algorithm, one number for each user.
-- ARGV: 1 msgpack list of {user, messages wanted}, 2 ms for one message, 3 messages at once
-- Returns for each user {messages allowed, ms until the next one would be}.
local interval, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local results = {}
for i, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key = '{{RATE}}' .. item[1]
  local full_at = math.max(tonumber(redis.call('GET', key) or 0), now)
  local room = math.floor((now + burst * interval - full_at) / interval)
  local allowed = math.max(0, math.min(item[2], room))
  if allowed > 0 then
    full_at = full_at + allowed * interval
    redis.call('SET', key, string.format('%.0f', full_at), 'PX', string.format('%.0f', full_at - now))
  end
  results[i] = {allowed, math.max(0, math.ceil(full_at + interval - now - burst * interval))}
end
return results
