-- Follows indicator.lua. Show typing indicators to users of this server, and end them.
-- ARGV[1]: msgpack of a flat list: key, key of its end, key of the pair, active, at, receiver, typist, text
-- ARGV[2]: how long an indicator is remembered, ms; ARGV[3]: repeats within this time are dropped, ms
-- ARGV[4]: for how long gateways may use the pair, ms, or 0

local signals, remembered, shortest, pair_ms = cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

for i = 1, #signals, 8 do
    local key, ended_key, pair_key, active, at, receiver, typist, text = unpack(signals, i, i + 7)
    if change(key, ended_key, active, at, receiver, typist, text, remembered, shortest) and pair_ms > 0 then
        redis.call('SET', pair_key, typist .. ' ' .. receiver, 'PX', pair_ms)
    end
end

flush()
return 1
