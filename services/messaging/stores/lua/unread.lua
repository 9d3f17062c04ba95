-- Put a user's unread counts, as PostgreSQL has them, into the copy. ARGV[1]: user id; ARGV[2]: msgpack of
-- {conversation, count, version, ...}, all of the user's conversations that ever had a message.
-- A count of which Redis knows a newer version stays, and so does all when there is a total: somebody was quicker, and may
-- have counted since in conversations that are not among these. If ARGV[3] is 1, nothing stays.
-- The total ends some day, and all is read from PostgreSQL anew; its counts live longer.

local user, known = ARGV[1], cmsgpack.unpack(ARGV[2])
if ARGV[3] ~= '1' and redis.call('EXISTS', '{{UNREAD_TOTAL}}' .. user) == 1 then
    return 0
end
local total = 0
for i = 1, #known, 3 do
    local conversation, count, version = known[i], known[i + 1], known[i + 2]
    local key = '{{UNREAD_CONVERSATION}}' .. user .. ':' .. conversation
    local version_key = '{{UNREAD_VERSION}}' .. user .. ':' .. conversation
    if ARGV[3] == '1' or version >= tonumber(redis.call('GET', version_key) or 0) then
        redis.call('SET', key, count, 'EX', {{UNREAD_COUNT_SECONDS}})
        redis.call('SET', version_key, version, 'EX', {{UNREAD_COUNT_SECONDS}})
    else
        count = tonumber(redis.call('GET', key) or 0)
        redis.call('EXPIRE', key, {{UNREAD_COUNT_SECONDS}})
        redis.call('EXPIRE', version_key, {{UNREAD_COUNT_SECONDS}})
    end
    total = total + count
end
redis.call('SET', '{{UNREAD_TOTAL}}' .. user, total, 'EX', {{UNREAD_TOTAL_SECONDS}})
return 1
