-- A user's counts while they are rebuilt in parts, in the order of conversation ids (`unread.lua`).

-- A count changed from `before` to `after` while the user has no total. A rebuild that has already added the count gets the
-- difference. One that has not is told to read the conversation, because its data may be older than the conversation.
local function tell_rebuild(user, conversation, before, after)
    local key = '{{UNREAD_REBUILD}}' .. user
    local done = redis.call('HGET', key, '{{UNREAD_REBUILD_END}}')
    if done and conversation <= done then
        redis.call('HINCRBY', key, '{{UNREAD_REBUILD_SUM}}', after - before)
    else
        redis.call('HSET', key, conversation, '')
    end
    redis.call('EXPIRE', key, {{UNREAD_REBUILD_SECONDS}})
end
