-- Read what is known of the receivers of some messages.
-- ARGV: TTL of reports of silent connections, in seconds; then for each message: receiver, sender, conversation, message, and the
-- silent connections, with commas.
-- Returns for each message: {seq that needs no push, or 0; blocked 0/1; reachable 0/1; what happened to the message, or nil;
-- the text that the push shows, or nil; unread in the conversation, or nil; unread in all, or nil; Unix
-- seconds up to which the user's tokens are revoked, or nil}.
local keep = tonumber(ARGV[1])
local answers = {}
local gateways = {}

local function lives(gateway)
    if gateways[gateway] == nil then
        gateways[gateway] = redis.call('EXISTS', '{{GATEWAY}}' .. gateway) == 1
    end
    return gateways[gateway]
end

-- Every report is stored before the decision, so that the last of several gateways to report sees that all connections were
-- silent.
local function silent_set(message, reported)
    local key = '{{SILENT}}' .. message
    local silent = {}
    for connection in string.gmatch(reported, '[^,]+') do
        redis.call('SADD', key, connection)
        redis.call('EXPIRE', key, keep)
    end
    for _, connection in ipairs(redis.call('SMEMBERS', key)) do
        silent[connection] = true
    end
    return silent
end

local function reachable(receiver, silent)
    local routes = redis.call('HGETALL', '{{ROUTES}}' .. receiver)
    for i = 1, #routes, 2 do
        if
            not silent[routes[i]]
            and lives(routes[i + 1])
            and redis.call('SISMEMBER', '{{INACTIVE}}' .. receiver, routes[i]) == 0
        then
            return 1
        end
    end
    return 0
end

for i = 2, #ARGV, 5 do
    local receiver, sender, conversation, message = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    local silent = silent_set(message, ARGV[i + 4])
    answers[#answers + 1] = {
        tonumber(redis.call('HGET', '{{PROGRESS}}' .. receiver, conversation) or 0),
        redis.call('SISMEMBER', '{{BLOCKED}}' .. receiver, sender),
        reachable(receiver, silent),
        redis.call('GET', '{{CHANGED}}' .. message),
        redis.call('GETEX', '{{PREVIEW}}' .. message, 'EX', {{PREVIEW_SECONDS}}),
        redis.call('GET', '{{UNREAD_CONVERSATION}}' .. receiver .. ':' .. conversation),
        redis.call('GET', '{{UNREAD_TOTAL}}' .. receiver),
        redis.call('GET', '{{REVOKED}}' .. receiver),
    }
end
return answers
