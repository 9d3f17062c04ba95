-- Begin to rebuild a user's unread counts in parts. Every later change is either in what PostgreSQL returns, or reported to the
-- rebuild.
-- ARGV[1]: user; ARGV[2]: name of the rebuild; ARGV[3]: '1' to begin although there is a total, or another rebuild
-- Returns 1; or 0 when the user has a total, or another rebuild is under way.

local total, key = '{{UNREAD_TOTAL}}' .. ARGV[1], '{{UNREAD_REBUILD}}' .. ARGV[1]
if ARGV[3] == '1' then
    redis.call('DEL', total)
elseif redis.call('EXISTS', total) == 1 or redis.call('HEXISTS', key, '{{UNREAD_REBUILD_NAME}}') == 1 then
    return 0
end
redis.call('HSET', key, '{{UNREAD_REBUILD_NAME}}', ARGV[2], '{{UNREAD_REBUILD_END}}', '', '{{UNREAD_REBUILD_SUM}}', 0)
redis.call('EXPIRE', key, {{UNREAD_REBUILD_SECONDS}})
return 1
