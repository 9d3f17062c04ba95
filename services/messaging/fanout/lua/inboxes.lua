-- Follows epoch.lua of shared.redis, which has `known_epoch` and `tag_in`, and effects.lua, which has the limits of an inbox.
-- For the next part: `reserve` gives events their offsets, `keep` appends one to an inbox, `bound_bytes` limits its bytes.

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
    call('DEL', '{{INBOX}}' .. user, '{{INBOX_COPY}}' .. user, '{{INBOX_BYTES}}' .. user, '{{INBOX_LARGE}}' .. user)
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

-- Keep the newest texts whose total size is within the limit. That is checked once for each `BYTES_STEP` new bytes, and without
-- reading the texts, which would take 13 ms. The sizes of large texts are in a list; each small one counts as the largest of
-- them. Small texts alone can't reach the limit, because the number of entries is limited. They are counted only after a large
-- one, `SMALL_EVENTS` together.
local BYTES_STEP = inbox_bytes / 16
local SMALL_EVENTS = 32
local SMALL_BYTES = BYTES_STEP / 4 / SMALL_EVENTS
-- An inbox may exceed its number of events by what one node of the stream holds.
if tonumber(inbox_events) == 0 or (inbox_events + 128) * SMALL_BYTES > inbox_bytes / 2 then
    SMALL_BYTES = -1
end

-- Offset and size of a large text, in the list.
local function sized(item)
    local offset, size = string.match(item, '^(%d+) (%d+)$')
    return tonumber(offset), tonumber(size)
end

-- `last`: the newest offset.
local function trim_bytes(user, stream, last)
    local key, room, small = '{{INBOX_LARGE}}' .. user, inbox_bytes - BYTES_STEP * 1.25, math.max(SMALL_BYTES, 0)
    local oldest = tonumber(string.match(call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1], '^%d+'))
    local items, gone, kept_from, bound = call('LRANGE', key, 0, -1), 0, last + 1, oldest
    for i = #items, 1, -1 do
        local offset, size = sized(items[i])
        local left = room - (kept_from - offset - 1) * small - size
        if left < 0 or offset < oldest then
            gone, bound = i, math.max(offset + 1, oldest)
            break
        end
        kept_from, room = offset, left
    end
    -- Only small ones are between `bound` and `kept_from`.
    local fitting = kept_from - bound
    if small > 0 then
        fitting = math.min(fitting, math.floor(room / small))
    end
    call('XTRIM', stream, 'MINID', format('%d', kept_from - fitting))
    if gone == #items then
        -- No large one is left.
        call('DEL', key, '{{INBOX_BYTES}}' .. user)
    else
        call('LTRIM', key, gone, -1)
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
    if large > 0 then
        call('EXPIRE', '{{INBOX_LARGE}}' .. user, inbox_seconds)
    end
    if math.floor(bytes / BYTES_STEP) > math.floor((bytes - added) / BYTES_STEP) then
        trim_bytes(user, stream, last)
    end
end
