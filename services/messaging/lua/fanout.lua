-- Deliver what one cycle of messaging has to say to the users of this server, all or nothing.
--
-- ARGV[1]: msgpack of {tag, inboxes, last_messages, directs, completed}, with
--   inboxes        {user_id, events, progress, typing}, one for each user
--     events       {text, peer}, or with an unread count {text, peer, notifiable, conversation, count, version}:
--                  JSON without its closing brace, or, with a count, everything before the total
--     progress     {conversation, seq, ...}: up to there the user's devices have everything
--     typing       {"<conversation>:<typist>", ...}: typing indicators that end with what is delivered here
--   last_messages  {conversation, seq, id, sender_id, content, type, created_at}
--   directs        {gateway, connection_id, text, user}: for this connection and, unless the user is '', the user's others
--   completed      {gateway, batch_id}
-- ARGV[2], ARGV[3], ARGV[4]: events kept in an inbox, its seconds, a last message's seconds
--
-- Returns {1, users without an unread total} and has done nothing; or {0, undelivered, typing that ended}, with undelivered
-- {inbox, event, ...} the places (from 1) of notifiable events that no gateway took.

local tag, inboxes, last_messages, directs, completed = unpack(cmsgpack.unpack(ARGV[1]))
local inbox_events, inbox_seconds, last_message_seconds = ARGV[2], ARGV[3], ARGV[4]

local call = redis.call
local format = string.format

local totals, unknown = {}, {}
for place, inbox in ipairs(inboxes) do
    for _, event in ipairs(inbox[2]) do
        if event[4] then
            local total = call('GET', '{{UNREAD_TOTAL}}' .. inbox[1])
            if total then
                totals[place] = tonumber(total)
            else
                unknown[#unknown + 1] = inbox[1]
            end
            break
        end
    end
end
if #unknown > 0 then
    return {1, unknown}
end

local downlinks = {}

local function downlink(gateway)
    local known = downlinks[gateway]
    if not known then
        known = {{}, {}, {}, {}}
        downlinks[gateway] = known
    end
    return known
end

-- The offset of the last of `count` new events. An inbox without an offset begins anew, beyond any offset given before.
local function reserve(user, count)
    local key = '{{INBOX_OFFSET}}' .. user
    local last = call('INCRBY', key, count)
    if last ~= count then
        return last, false
    end
    local time = call('TIME')
    last = (time[1] * 1000 + math.floor(time[2] / 1000)) * 1024 + count
    call('SET', key, format('%.0f', last), 'EX', inbox_seconds)
    call('DEL', '{{INBOX}}' .. user)
    return last, true
end

-- Unread counts of one user: reads each once, applies what is newer, writes each once.
local function counter(user, total)
    local counts, versions, changed = {}, {}, {}
    local versions_key = '{{UNREAD_VERSIONS}}' .. user
    local self = {}

    function self.apply(conversation, count, version)
        local known = versions[conversation]
        if not known then
            known = tonumber(call('HGET', versions_key, conversation) or -1)
            versions[conversation] = known
            counts[conversation] = tonumber(call('GET', '{{UNREAD_CONVERSATION}}' .. user .. ':' .. conversation) or 0)
        end
        if version > known or (version == known and changed[conversation]) then
            total = total + count - counts[conversation]
            counts[conversation] = count
            versions[conversation] = version
            changed[conversation] = true
        elseif version == known then
            -- Counted before: this event was repeated, or the total was just rebuilt. It tells what it told then.
            return total + count - counts[conversation]
        end
        return total
    end

    function self.store()
        local dirty = false
        for conversation in pairs(changed) do
            dirty = true
            call('SET', '{{UNREAD_CONVERSATION}}' .. user .. ':' .. conversation, counts[conversation])
            call('HSET', versions_key, conversation, versions[conversation])
        end
        if dirty then
            call('SET', '{{UNREAD_TOTAL}}' .. user, total)
        end
    end

    return self
end

-- Gateways that hold connections of the user, each once.
local function gateways_of(user)
    local gateways, seen = {}, {}
    for _, gateway in ipairs(call('HVALS', '{{ROUTES}}' .. user)) do
        if not seen[gateway] then
            seen[gateway] = true
            gateways[#gateways + 1] = gateway
        end
    end
    return gateways
end

local reached = {}

local function deliver(place, user, events)
    local last, created = reserve(user, #events)
    local stream = '{{INBOX}}' .. user
    local gateways = gateways_of(user)
    local unread = totals[place] and counter(user, totals[place])
    for number, event in ipairs(events) do
        local offset = last - #events + number
        local id = format('%.0f-%s', offset, tag)
        local text, notifiable = event[1], false
        if event[4] then
            text = text .. unread.apply(event[4], event[5], event[6]) .. '}}'
            notifiable = event[3]
        end
        call('XADD', stream, 'MAXLEN', '~', inbox_events, id, 'e', text, 'p', event[2])
        if #gateways > 0 then
            local delivery = {user, offset, notifiable, text .. ',"cursor":"' .. id .. '"}'}
            for _, gateway in ipairs(gateways) do
                local deliveries = downlink(gateway)[1]
                deliveries[#deliveries + 1] = delivery
            end
        end
    end
    if unread then
        unread.store()
    end
    if created then
        call('EXPIRE', stream, inbox_seconds)
    end
    reached[place] = gateways
end

local function advance(user, progress)
    local key = '{{PROGRESS}}' .. user
    for i = 1, #progress, 2 do
        if progress[i + 1] > tonumber(call('HGET', key, progress[i]) or 0) then
            call('HSET', key, progress[i], progress[i + 1])
        end
    end
end

local ended = {}

local function end_typing(typing)
    for i, shown in ipairs(typing) do
        typing[i] = '{{TYPING}}' .. shown
    end
    if call('EXISTS', unpack(typing)) > 0 then
        for _, key in ipairs(typing) do
            if call('DEL', key) == 1 then
                ended[#ended + 1] = string.sub(key, #'{{TYPING}}' + 1)
            end
        end
    end
end

for place, inbox in ipairs(inboxes) do
    if #inbox[2] > 0 then
        deliver(place, inbox[1], inbox[2])
    end
    if #inbox[3] > 0 then
        advance(inbox[1], inbox[3])
    end
    if #inbox[4] > 0 then
        end_typing(inbox[4])
    end
end

for _, message in ipairs(last_messages) do
    local key = '{{LAST_MESSAGE}}' .. message[1]
    if message[2] > tonumber(call('HGET', key, 'seq') or 0) then
        call('HSET', key, 'id', message[3], 'sender_id', message[4], 'content', message[5], 'type', message[6],
            'created_at', message[7], 'seq', message[2])
        call('EXPIRE', key, last_message_seconds)
    end
end

for _, direct in ipairs(directs) do
    local known = downlink(direct[1])[3]
    known[#known + 1] = {direct[2], direct[3]}
    if direct[4] ~= '' then
        local routes = call('HGETALL', '{{ROUTES}}' .. direct[4])
        for i = 1, #routes, 2 do
            if routes[i] ~= direct[2] then
                local others = downlink(routes[i + 1])[3]
                others[#others + 1] = {routes[i], direct[3]}
            end
        end
    end
end
for _, batch in ipairs(completed) do
    local known = downlink(batch[1])[4]
    known[#known + 1] = batch[2]
end

local dead = {}
for gateway, content in pairs(downlinks) do
    if call('PUBLISH', '{{GATEWAY}}' .. gateway, cmsgpack.pack(content)) == 0 then
        dead[gateway] = true
    end
end

-- True when a gateway that lives has the user; routes to dead ones are removed.
local function prune(user, gateways)
    local alive, stale = false, false
    for _, gateway in ipairs(gateways) do
        alive = alive or not dead[gateway]
        stale = stale or dead[gateway]
    end
    if stale then
        local key = '{{ROUTES}}' .. user
        local routes = call('HGETALL', key)
        for i = 1, #routes, 2 do
            if dead[routes[i + 1]] then
                call('HDEL', key, routes[i])
            end
        end
    end
    return alive
end

local undelivered = {}
for place, inbox in ipairs(inboxes) do
    local gateways = reached[place]
    if gateways and not prune(inbox[1], gateways) then
        for number, event in ipairs(inbox[2]) do
            if event[3] then
                undelivered[#undelivered + 1] = place
                undelivered[#undelivered + 1] = number
            end
        end
    end
end

return {0, undelivered, ended}
