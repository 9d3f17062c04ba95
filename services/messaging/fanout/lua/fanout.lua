-- Follows epoch.lua of shared.redis and rebuilding.lua of the stores, which have `known_epoch`, `tag_in` and `tell_rebuild`.
-- Deliver the effects of one cycle of messaging to the users of this server, all or nothing.
--
-- ARGV[1]: msgpack of {tag, trace, events, totals, counters, progress, typing, delivered, last_messages, connection_events, completed, changes, supplied}.
-- Each but the first two is one flat list: a table for each record would cost more than all the rest.
--   trace          traceparent of the cycle, or ''
--   events         for each user: user, number of its events, then of each event
--                  peer, notifiable, counter, count, version
--                  where counter 0 means no unread count and a text without its closing brace; else the text ends before the
--                  unread total, and count and version are the counter's. An event that shows a message always has the
--                  version of its conversation when the message was read
--   totals         keys of unread totals
--   counters       count key, version key, index of the total in totals
--   progress       key, conversation, seq: up to there the user's devices have everything
--   typing         keys of typing indicators that end, if they are shown, with what is delivered here
--   delivered      for each of last_messages, key of the newest seq that was delivered
--   last_messages  key, seq, seq that directly follows what must have been delivered, or 0, id, sender_id, content, type, created_at
--   connection_events  gateway, connection, text, user: for this connection and, unless the user is '', the user's others
--   completed      gateway, batch
--   changes        {} or {versions, pushes, last_contents, recounts}, each a flat list:
--     versions       user, `<conversation>:<seq>`, version: this call shows the user this change of the message
--     pushes         key, value, seconds: what a push that still waits must take into account
--     last_contents  last message's key, conversation's key of versions, `<conversation>:<seq>`, version, message id, content
--     recounts       counter, count, version: counts that change without an event
--   supplied       index of a total, PostgreSQL's total: shown when Redis has none, while a rebuild is under way
-- ARGV[2], ARGV[3], ARGV[4]: events kept in an inbox, its seconds, a last message's seconds; ARGV[5]: '1' to overtake
-- ARGV[6]: '1' to record the batches as processed, if nothing has to follow; ARGV[7], ARGV[8]: how many, for how many seconds
-- ARGV[9]: bytes of texts kept in an inbox
-- ARGV[10] …: the events' texts, in order. Redis hashes every byte of every string that Lua makes. So the texts are passed once,
-- and the script appends nothing to them: readers of an inbox or a delivery append the unread total and the cursor.
--
-- Returns {0, numbers of the notifiable events that no gateway took, typing keys that are shown}. All other answers mean that
-- nothing was done: {1, indexes of totals that are missing}; {2} when earlier messages are stored but not delivered yet, and may
-- not be overtaken; {3} when users were shown a later change of a message than an event here has. Indexes and numbers
-- begin at 1.

local tag, trace, events, totals, counters, progress, typing, delivered, last_messages, connection_events, completed, changes, supplied = unpack(cmsgpack.unpack(ARGV[1]))
local inbox_events, inbox_seconds, last_message_seconds, inbox_bytes = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[9])

local TEXTS = 9
-- Characters of an id at the end of a key.
local UUID = 36
local call = redis.call
local format = string.format

-- Whether any user of the events is part of a block, or was recently shown a change of a message: one command for the whole
-- batch, which almost always says no.
local function any_special()
    local names, position = {}, 1
    while position < #events do
        local user, count = events[position], events[position + 1]
        names[#names + 1] = '{{MESSAGE_VERSIONS}}' .. user
        for i = position + 2, position + 1 + count * 5, 5 do
            if events[i] ~= '' then
                names[#names + 1] = '{{BLOCKED}}' .. user
                break
            end
        end
        position = position + 2 + count * 5
    end
    return #names > 0 and call('EXISTS', unpack(names)) > 0
end

local special = any_special()

-- Whether the users of changed messages were shown a later change of one than an event here shows.
local function outdated()
    local position, number = 1, 0
    while position < #events do
        local user, count = events[position], events[position + 1]
        local key = '{{MESSAGE_VERSIONS}}' .. user
        if call('EXISTS', key) == 1 then
            for event = 1, count do
                local text, version = ARGV[TEXTS + number + event], events[position + event * 5 + 1]
                local conversation, seq = string.match(text, '"conversationId":"([^"]*)","seq":(%d+)')
                local quoted = string.match(text, '"replyTo":{"seq":(%d+)')
                for _, place in ipairs({seq or false, quoted or false}) do
                    if version > 0 and place and tonumber(call('HGET', key, conversation .. ':' .. place) or 0) > version then
                        return true
                    end
                end
            end
        end
        position = position + 2 + count * 5
        number = number + count
    end
    return false
end

if special and outdated() then
    return {3}
end

-- The newest delivered message of each conversation. There is a gap when another replica has stored an earlier message than ours
-- and not delivered it yet.
local delivered_seq = #delivered > 0 and call('MGET', unpack(delivered)) or delivered
for i = 1, #delivered do
    local seq = tonumber(delivered_seq[i] or 0)
    if last_messages[i * 8 - 5] > seq + 1 and ARGV[5] ~= '1' then
        return {2}
    end
    delivered_seq[i] = seq
end

-- Unread counts: all are read with two commands.
local total_of, count_of, version_of, is_known, changed, rebuilding = {}, {}, {}, {}, {}, {}

if #totals > 0 then
    local missing = {}
    for i = 1, #supplied, 2 do
        rebuilding[supplied[i]] = supplied[i + 1]
    end
    for place, total in ipairs(call('MGET', unpack(totals))) do
        if total then
            total_of[place] = tonumber(total)
            rebuilding[place] = nil
        elseif not rebuilding[place] then
            missing[#missing + 1] = place
        end
    end
    if #missing > 0 then
        return {1, missing}
    end
    local names = {}
    for i = 1, #counters, 3 do
        names[#names + 1] = counters[i]
        names[#names + 1] = counters[i + 1]
    end
    local values = call('MGET', unpack(names))
    is_known = values
    for i = 1, #values, 2 do
        count_of[#count_of + 1] = tonumber(values[i] or 0)
        version_of[#version_of + 1] = tonumber(values[i + 1] or -1)
    end
end

-- The user's unread total after an event that found `count` messages unread in the counter's conversation.
local function count_unread(counter, count, version)
    local place = counters[counter * 3]
    local known = version_of[counter]
    local total = total_of[place] or 0
    if version >= known then
        total = total + count - count_of[counter]
    end
    if version > known or (version == known and changed[counter]) then
        total_of[place] = total
        count_of[counter] = count
        version_of[counter] = version
        changed[counter] = true
    end
    -- The same version: counted before. The event shows the same total as then.
    return rebuilding[place] or total
end

-- The total keeps the TTL of its rebuild. A count that is created here lives longer; one that existed at the rebuild got a longer
-- TTL then, and keeps it. So a total never lacks one of its parts, and no TTL is written twice.
local function store_count(key, value, known)
    if known then
        call('SET', key, value, 'KEEPTTL')
    else
        call('SET', key, value, 'EX', {{UNREAD_COUNT_SECONDS}})
    end
end

local function store_unread()
    for counter in pairs(changed) do
        local i = counter * 3
        local place = counters[i]
        if rebuilding[place] then
            local before = tonumber(call('GET', counters[i - 2]) or 0)
            tell_rebuild(string.sub(totals[place], -UUID), string.sub(counters[i - 2], -UUID), before, count_of[counter])
        else
            call('SET', totals[place], total_of[place], 'KEEPTTL')
        end
        store_count(counters[i - 2], count_of[counter], is_known[counter * 2 - 1])
        store_count(counters[i - 1], version_of[counter], is_known[counter * 2])
    end
end

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

-- The offset of the last of `count` new events, and whether the inbox is new. An inbox without an offset starts again, above all
-- earlier offsets: no server assigns two in a microsecond.
local function reserve(user, count)
    local key = '{{INBOX_OFFSET}}' .. user
    local last = call('INCRBY', key, count)
    if last ~= count then
        return last, false
    end
    local time = call('TIME')
    last = (time[1] * 1000000 + time[2]) * 2 + count
    call('SET', key, format('%d', last), 'EX', inbox_seconds)
    call('DEL', '{{INBOX}}' .. user)
    return last, true
end

tag = tag_in(known_epoch(), tag)
local suffix = '-' .. tag

local function keep(stream, id, text, peer, total)
    if total then
        call('XADD', stream, 'MAXLEN', '~', inbox_events, id, '{{ENTRY_TEXT}}', text, '{{ENTRY_PEER}}', peer,
            '{{ENTRY_TOTAL}}', format('%d', total))
    else
        call('XADD', stream, 'MAXLEN', '~', inbox_events, id, '{{ENTRY_TEXT}}', text, '{{ENTRY_PEER}}', peer)
    end
end

-- Keep the newest texts whose total size is within the limit. It reads all entries, so it runs only once for each so many new
-- bytes. Small texts alone can't reach the limit, because the number of entries is limited. They are counted only after a large
-- one, `SMALL_EVENTS` together.
local BYTES_STEP = inbox_bytes / 16
local SMALL_EVENTS = 32
local SMALL_BYTES = BYTES_STEP / 4 / SMALL_EVENTS
-- An inbox may exceed its number of events by what one node of the stream holds.
if tonumber(inbox_events) == 0 or (inbox_events + 128) * SMALL_BYTES > inbox_bytes / 2 then
    SMALL_BYTES = -1
end

local function trim_bytes(user, stream)
    local kept, largest, oldest, from = 0, 0, nil, '+'
    repeat
        local entries = call('XREVRANGE', stream, from, '-', 'COUNT', 32)
        for _, entry in ipairs(entries) do
            local size = #entry[2][{{ENTRY_TEXT_PLACE}}]
            kept, largest = kept + size, math.max(largest, size)
            if oldest and kept > inbox_bytes - BYTES_STEP * 1.25 then
                call('XTRIM', stream, 'MINID', oldest)
                return
            end
            oldest = entry[1]
            from = '(' .. oldest
        end
    until #entries == 0
    if largest <= SMALL_BYTES then
        call('DEL', '{{INBOX_BYTES}}' .. user)
    end
end

-- `large`: bytes of the large texts among the `count` events that came, the last of which has the offset `last`.
local function bound_bytes(user, stream, large, last, count)
    local some = math.floor(last / SMALL_EVENTS) - math.floor((last - count) / SMALL_EVENTS)
    local key = '{{INBOX_BYTES}}' .. user
    if large == 0 and (some == 0 or call('EXISTS', key) == 0) then
        return
    end
    local added = large
    if SMALL_BYTES > 0 then
        added = added + some * SMALL_EVENTS * SMALL_BYTES
    end
    local bytes = call('INCRBY', key, format('%d', added))
    call('EXPIRE', key, inbox_seconds)
    if math.floor(bytes / BYTES_STEP) > math.floor((bytes - added) / BYTES_STEP) then
        trim_bytes(user, stream)
    end
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

for i = 1, #(versions or {}), 3 do
    local key = '{{MESSAGE_VERSIONS}}' .. versions[i]
    call('HSET', key, versions[i + 1], versions[i + 2])
    call('EXPIRE', key, last_message_seconds)
end
for i = 1, #(pushes or {}), 3 do
    call('SET', pushes[i], pushes[i + 1], 'EX', pushes[i + 2])
    call('DEL', '{{PREVIEW}}' .. string.sub(pushes[i], -UUID))
end
for i = 1, #(last_contents or {}), 6 do
    local key, versions_key, name, version, id, content = unpack(last_contents, i, i + 5)
    if version >= tonumber(call('HGET', versions_key, name) or 0) then
        call('HSET', versions_key, name, version)
        call('EXPIRE', versions_key, last_message_seconds)
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
