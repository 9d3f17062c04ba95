-- Follows epoch.lua of shared.redis, which has `checked_epoch`, `known_epoch`, `epoch_of` and `tag_in`.
-- Record that a gateway is alive, extend what is stored about its connections, and publish a message to it on its own link.
-- ARGV: 1 gateway id, 2 seconds that it counts as alive, 3 seconds that its connections are remembered, 4 the message or ''
-- Returns {1, or 0 when it was not known: the server has lost its data, or others have taken the gateway for dead;
-- how many subscribers got the message; the epoch of the inboxes}.
local known = redis.call('SET', '{{GATEWAY}}' .. ARGV[1], '1', 'EX', ARGV[2], 'GET')
local time = redis.call('TIME')
redis.call('ZADD', '{{GATEWAYS_HEARD}}', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[1])
redis.call('EXPIRE', '{{CONNECTIONS}}' .. ARGV[1], ARGV[3])
local heard = redis.call('{{PUBLISH}}', '{{GATEWAY}}' .. ARGV[1], ARGV[4])
return {known and 1 or 0, heard, checked_epoch()}
