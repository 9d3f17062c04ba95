-- Follows epoch.lua of shared.redis, which has `known_epoch` and `tag_in`, and effects.lua, which has the limits of an inbox. For the
-- next part: `reserve` gives events their offsets, `keep` appends one to an inbox, `bound_bytes` limits the inbox's bytes.

-- The offset of the last of `count` new events, and whether the inbox is new. An inbox without an offset starts again from the
-- clock, with two offsets for each microsecond. No inbox grows that fast, so this is above all earlier offsets.
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

-- Keep the newest texts whose total size is within the limit. It reads all entries, so it runs only once for each
-- `BYTES_STEP` new bytes. Small texts alone can't reach the limit, because the number of entries is limited. They are counted
-- only after a large one, `SMALL_EVENTS` together.
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
