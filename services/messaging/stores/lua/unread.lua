-- Put a page of a user's unread counts, as PostgreSQL has them, into the copy. ARGV[1]: user id; ARGV[2]: msgpack of
-- {conversation, count, version, ...}, some of the user's conversations that ever had a message; ARGV[3]: '1': nothing stays;
-- ARGV[4]: the sum of the pages before; ARGV[5]: '1' for the last page, which writes the total.
-- A count of which Redis knows a newer version stays, and so does all when there is a total: somebody was quicker, and may
-- have counted since in conversations that are not among these. Nobody counts for a user without a total.
-- The total ends some day, and all is read from PostgreSQL anew; its counts live longer.
-- Returns the sum with this page, or -1 when there is a total.

local user, known, force = ARGV[1], cmsgpack.unpack(ARGV[2]), ARGV[3] == '1'
if not force and redis.call('EXISTS', '{{UNREAD_TOTAL}}' .. user) == 1 then
    return -1
end
local total = tonumber(ARGV[4])
for i = 1, #known, 3 do
    local conversation, count, version = known[i], known[i + 1], known[i + 2]
    local key = '{{UNREAD_CONVERSATION}}' .. user .. ':' .. conversation
    local version_key = '{{UNREAD_VERSION}}' .. user .. ':' .. conversation
    if force or version >= tonumber(redis.call('GET', version_key) or 0) then
        redis.call('SET', key, count, 'EX', {{UNREAD_COUNT_SECONDS}})
        redis.call('SET', version_key, version, 'EX', {{UNREAD_COUNT_SECONDS}})
    else
        count = tonumber(redis.call('GET', key) or 0)
        redis.call('EXPIRE', key, {{UNREAD_COUNT_SECONDS}})
        redis.call('EXPIRE', version_key, {{UNREAD_COUNT_SECONDS}})
    end
    total = total + count
end
if ARGV[5] == '1' then
    redis.call('SET', '{{UNREAD_TOTAL}}' .. user, total, 'EX', {{UNREAD_TOTAL_SECONDS}})
end
return total
