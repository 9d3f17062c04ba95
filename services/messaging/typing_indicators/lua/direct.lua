-- Follows indicator.lua. Carry out a gateway's signals about conversations whose participants Redis knows.
-- ARGV[1]: msgpack of [JSON of a beginning, JSON of an end (both with `%s` for conversation and typist), how long an indicator
-- is remembered, repeats within this time are dropped, beginnings that waited longer are dropped (ms), `at_ms` of an end of
-- nothing]
-- ARGV[2]: a `relay.SignalBatch`
-- Returns the indexes of the other signals, which messaging must carry out.

local started, stopped, remembered, shortest, longest, ends_nothing = unpack(cmsgpack.unpack(ARGV[1]))
local time, left = redis.call('TIME'), {}
local too_old = time[1] * 1000 + math.floor(time[2] / 1000) - longest

for place, signal in ipairs(cmsgpack.unpack(ARGV[2])[relay.SignalBatch.signals]) do
    local typist, conversation = signal[relay.Typing.user_id], signal[relay.Typing.conversation_id]
    local active, at = signal[relay.Typing.active], signal[relay.Typing.at_ms]
    local one, other = string.match(redis.call('GET', '{{TYPING_PAIR}}' .. conversation) or '', '^(%S+) (%S+)$')
    local receiver = typist == one and other or typist == other and one
    if not receiver then
        left[#left + 1] = place - 1
    elseif at ~= ends_nothing and (not active or at > too_old) then
        local name = conversation .. ':' .. typist
        local text = string.format(active and started or stopped, conversation, typist)
        change('{{TYPING}}' .. name, '{{TYPING_ENDED}}' .. name, active, at, receiver, typist, text, remembered, shortest)
    end
end

flush()
return left
