-- Take connections over from a gateway that died: remove their routes, and return the last events of their users.
-- ARGV: 1 the gateway that asks, 2 ms without a sign of life that mean death, 3 most connections, 4 events for each
-- Returns nothing when no gateway is dead, else {its id, when it was last heard of (Unix ms), {{user, connection, {texts}}, …}}.
-- Texts are as the inbox has them, without their closing brace. What was returned once is not returned again.
local time = redis.call('TIME')
local until_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2])
local silent = redis.call('ZRANGEBYSCORE', '{{GATEWAYS_HEARD}}', '-inf', until_ms, 'WITHSCORES', 'LIMIT', 0, 2)
local first = silent[1] == ARGV[1] and 3 or 1
local gateway, heard_at = silent[first], silent[first + 1]
if not gateway then
  return {}
end

-- If the gateway is alive after all, it notices that its entry is gone, and registers its connections again.
redis.call('DEL', '{{GATEWAY}}' .. gateway)
local held = redis.call('SPOP', '{{CONNECTIONS}}' .. gateway, ARGV[3])
if #held == 0 then
  redis.call('ZREM', '{{GATEWAYS_HEARD}}', gateway)
end
local found = {}
for i, pair in ipairs(held) do
  local user, connection = string.match(pair, '^(%S+) (%S+)$')
  if redis.call('HGET', '{{ROUTES}}' .. user, connection) == gateway then
    redis.call('HDEL', '{{ROUTES}}' .. user, connection)
    redis.call('SREM', '{{INACTIVE}}' .. user, connection)
  end
  local texts = {}
  for place, entry in ipairs(redis.call('XREVRANGE', '{{INBOX}}' .. user, '+', '-', 'COUNT', ARGV[4])) do
    local fields = entry[2]
    local total = fields[{{ENTRY_TOTAL_PLACE}}]
    texts[place] = fields[{{ENTRY_TEXT_PLACE}}] .. (total and total .. '{{COUNT_END}}' or '')
  end
  found[i] = {user, connection, texts}
end
return {gateway, heard_at, found}
