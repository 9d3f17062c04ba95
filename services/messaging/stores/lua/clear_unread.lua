-- Set a user's unread count in a conversation to 0. ARGV: user, conversation, version of that count
-- Without a total and a rebuild, Redis keeps no counts of the user, and nothing is done. A newer count stays.

local total_key = '{{UNREAD_TOTAL}}' .. ARGV[1]
local key = '{{UNREAD_CONVERSATION}}' .. ARGV[1] .. ':' .. ARGV[2]
local version_key = '{{UNREAD_VERSION}}' .. ARGV[1] .. ':' .. ARGV[2]
local total = tonumber(redis.call('GET', total_key) or nil)
if not total and redis.call('EXISTS', '{{UNREAD_REBUILD}}' .. ARGV[1]) == 0 then
    return 0
end
if tonumber(redis.call('GET', version_key) or -1) >= tonumber(ARGV[3]) then
    return 0
end
local count = tonumber(redis.call('GET', key) or 0)
if total then
    redis.call('SET', total_key, total - count, 'KEEPTTL')
else
    tell_rebuild(ARGV[1], ARGV[2], count, 0)
end
redis.call('SET', key, 0, 'EX', {{UNREAD_COUNT_SECONDS}})
redis.call('SET', version_key, ARGV[3], 'EX', {{UNREAD_COUNT_SECONDS}})
return 1
