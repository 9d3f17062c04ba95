-- Follows effects.lua, unread_totals.lua and inboxes.lua, which have the effects and the functions that are used here. Writes all
-- effects, and publishes one downlink for each gateway. effects.lua describes the arguments and the answer.

-- The deliveries for each gateway.
local downlinks = {}

local function downlink(gateway)
    local known = downlinks[gateway]
    if not known then
        known = relay.Downlink{durable_events = {}, transient_events = {}, connection_events = {}, completed = {}, trace = trace}
        downlinks[gateway] = known
    end
    return known
end

-- The deliveries of each gateway that holds connections of the user, and their gateways; each gateway once.
local function deliveries_of(user)
    local deliveries, gateways = {}, call('HVALS', '{{ROUTES}}' .. user)
    local seen = {}
    for _, gateway in ipairs(gateways) do
        if not seen[gateway] then
            seen[gateway] = true
            deliveries[#deliveries + 1] = downlink(gateway)[relay.Downlink.durable_events]
        end
    end
    return deliveries, gateways
end

-- A block was set after the event was stored: the inbox keeps the event, readers skip it by its peer, and nobody gets it live.
local function is_hidden(user, peer)
    return special and peer ~= '' and call('SISMEMBER', '{{BLOCKED}}' .. user, peer) == 1
end

local function deliver(user, number, first, count)
    local last, created = reserve(user, count)
    local stream = '{{INBOX}}' .. user
    local deliveries, gateways = deliveries_of(user)
    local offset, large = last - count, 0
    for i = first, first + (count - 1) * 5, 5 do
        offset = offset + 1
        number = number + 1
        local text, counter, total = ARGV[TEXTS + number], events[i + 2], nil
        if counter > 0 then
            total = count_unread(counter, events[i + 3], events[i + 4])
        end
        if #text > SMALL_BYTES then
            large = large + #text
            call('RPUSH', '{{INBOX_LARGE}}' .. user, format('%d %d', offset, #text))
        end
        keep(stream, format('%d', offset) .. suffix, text, events[i], total)
        if #deliveries > 0 and not is_hidden(user, events[i]) then
            local delivery = relay.DurableEvent{
                user_id = user, offset = offset, notifiable = events[i + 1], text = text, tag = tag, total = total
            }
            for _, list in ipairs(deliveries) do
                list[#list + 1] = delivery
            end
        end
    end
    if created then
        call('EXPIRE', stream, inbox_seconds)
    end
    if inbox_bytes > 0 then
        bound_bytes(user, stream, large, last, count)
    end
    return gateways
end

local reached = {}
local position, number = 1, 0
while position < #events do
    local user, count = events[position], events[position + 1]
    reached[position] = deliver(user, number, position + 2, count)
    position = position + 2 + count * 5
    number = number + count
end
local versions, pushes, last_contents, recounts = unpack(changes)
recounts = recounts or {}
for i = 1, #recounts, 3 do
    count_unread(recounts[i], recounts[i + 1], recounts[i + 2])
end
store_unread()

-- They protect against events that are late by seconds. So when there are too many, because changes come all the time, all are
-- forgotten.
local function remember_version(key, name, version)
    if call('HLEN', key) >= {{MOST_VERSIONS}} then
        call('UNLINK', key)
    end
    call('HSET', key, name, version)
    call('EXPIRE', key, last_message_seconds)
end

for i = 1, #(versions or {}), 3 do
    remember_version('{{MESSAGE_VERSIONS}}' .. versions[i], versions[i + 1], versions[i + 2])
end
for i = 1, #(pushes or {}), 3 do
    call('SET', pushes[i], pushes[i + 1], 'EX', pushes[i + 2])
    call('DEL', '{{PREVIEW}}' .. string.sub(pushes[i], -UUID))
end
for i = 1, #(last_contents or {}), 6 do
    local key, versions_key, name, version, id, content = unpack(last_contents, i, i + 5)
    if version >= tonumber(call('HGET', versions_key, name) or 0) then
        remember_version(versions_key, name, version)
        if call('HGET', key, 'id') == id then
            call('HSET', key, 'content', content)
        end
    end
end

for i = 1, #progress, 3 do
    if progress[i + 2] > tonumber(call('HGET', progress[i], progress[i + 1]) or 0) then
        call('HSET', progress[i], progress[i + 1], progress[i + 2])
        -- Reading a TTL costs less than writing it.
        if call('TTL', progress[i]) < {{PROGRESS_SECONDS}} / 2 then
            call('EXPIRE', progress[i], {{PROGRESS_SECONDS}})
        end
    end
end

local shown = {}
if #typing > 0 and call('EXISTS', unpack(typing)) > 0 then
    for _, key in ipairs(typing) do
        if call('EXISTS', key) == 1 then
            shown[#shown + 1] = key
        end
    end
end

for place = 1, #delivered do
    local i = place * 8 - 7
    local key, seq = last_messages[i], last_messages[i + 1]
    if seq > delivered_seq[place] then
        call('HSET', key, 'id', last_messages[i + 3], 'sender_id', last_messages[i + 4], 'content', last_messages[i + 5],
            'type', last_messages[i + 6], 'created_at', last_messages[i + 7])
        call('EXPIRE', key, last_message_seconds)
        call('SET', delivered[place], seq, 'EX', last_message_seconds)
    end
end

for i = 1, #connection_events, 4 do
    local connection, text, user = connection_events[i + 1], connection_events[i + 2], connection_events[i + 3]
    local known = downlink(connection_events[i])[relay.Downlink.connection_events]
    known[#known + 1] = relay.ConnectionEvent{connection_id = connection, text = text}
    if user ~= '' then
        local routes = call('HGETALL', '{{ROUTES}}' .. user)
        for j = 1, #routes, 2 do
            if routes[j] ~= connection then
                local others = downlink(routes[j + 1])[relay.Downlink.connection_events]
                others[#others + 1] = relay.ConnectionEvent{connection_id = routes[j], text = text}
            end
        end
    end
end
for i = 1, #completed, 2 do
    local known = downlink(completed[i])[relay.Downlink.completed]
    known[#known + 1] = completed[i + 1]
end

local dead = {}
for gateway, content in pairs(downlinks) do
    if call('{{PUBLISH}}', '{{GATEWAY}}' .. gateway, cmsgpack.pack(content)) == 0 then
        dead[gateway] = true
    end
end

-- True when a live gateway has the user. Routes to dead gateways are removed.
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
position, number = 1, 0
while position < #events do
    local count = events[position + 1]
    if not prune(events[position], reached[position]) then
        for event = 1, count do
            if events[position + event * 5 - 2] then
                undelivered[#undelivered + 1] = number + event
            end
        end
    end
    number = number + count
    position = position + 2 + count * 5
end

if ARGV[6] == '1' and #undelivered == 0 and #shown == 0 then
    for i = 1, #completed, 2 do
        local key = '{{PROCESSED_BATCHES}}' .. completed[i]
        call('HSET', key, completed[i + 1] % ARGV[7], completed[i + 1])
        call('EXPIRE', key, ARGV[8])
    end
end

return {0, undelivered, shown}
