-- Typing indicators, for the scripts that show them. A script calls `change` for each signal, and then `flush`.
--
-- An end is sent only to a user who was shown the beginning, and only when nothing began after it, here or on another device.
-- Nothing begins while a block is in force, or when a later end has already arrived.

local downlinks = {}

-- `since`: connections of the receiver that began after this time get nothing.
local function tell(receiver, text, since)
    local seen = {}
    for _, gateway in ipairs(redis.call('HVALS', '{{ROUTES}}' .. receiver)) do
        if not seen[gateway] then
            seen[gateway] = true
            local downlink = downlinks[gateway] or relay.Downlink{durable_events = {}, transient_events = {}}
            downlinks[gateway] = downlink
            local transient_events = downlink[relay.Downlink.transient_events]
            transient_events[#transient_events + 1] = relay.TransientEvent{user_ids = {receiver}, text = text, since_ms = since}
        end
    end
end

-- `key`, `ended_key`: of the indicator and of its end; `at`: ms, see `relay.Typing`, 0: an end at any time; `remembered`: how
-- long an indicator is remembered, ms; `shortest`: repeats within this time are dropped, ms. True when the typist may begin.
local function change(key, ended_key, active, at, receiver, typist, text, remembered, shortest)
    local began = tonumber(redis.call('GET', key) or nil)
    local ended = tonumber(redis.call('GET', ended_key) or 0)
    if not active then
        if at > ended then
            redis.call('SET', ended_key, at, 'PX', remembered)
        end
        if began and (at == 0 or began <= at) then
            redis.call('DEL', key)
            tell(receiver, text, began)
        end
    elseif at > ended and redis.call('SISMEMBER', '{{BLOCKED}}' .. receiver, typist) == 0 then
        if redis.call('PTTL', key) <= remembered - shortest then
            redis.call('SET', key, at, 'PX', remembered)
            tell(receiver, text, at)
        elseif at > began then
            redis.call('SET', key, at, 'KEEPTTL')
        end
        return true
    end
    return false
end

local function flush()
    for gateway, downlink in pairs(downlinks) do
        redis.call('{{PUBLISH}}', '{{GATEWAY}}' .. gateway, cmsgpack.pack(downlink))
    end
end
