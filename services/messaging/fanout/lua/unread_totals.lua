-- Follows effects.lua, which has the effects, and rebuilding.lua of the stores, which has `tell_rebuild`.
-- Reads the unread counts of the cycle, and returns early when totals are missing.
-- For the next parts: `count_unread` and `store_unread`.

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
