-- Show and end typing indicators to users of this server.
-- ARGV[1]: msgpack of a flat list: key, active, receiver, typist, text; ARGV[2]: how long an indicator is remembered, ms;
-- ARGV[3]: repeats sooner than this are swallowed, ms
--
-- An end is told only to whom the beginning was shown. Nothing begins while a block stands.

local signals, remembered, shortest = cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local downlinks = {}

local function tell(receiver, text)
    local seen = {}
    for _, gateway in ipairs(redis.call('HVALS', '{{ROUTES}}' .. receiver)) do
        if not seen[gateway] then
            seen[gateway] = true
            local downlink = downlinks[gateway] or {{}, {}}
            downlinks[gateway] = downlink
            downlink[2][#downlink[2] + 1] = {{receiver}, text}
        end
    end
end

for i = 1, #signals, 5 do
    local key, active, receiver, typist, text = unpack(signals, i, i + 4)
    if not active then
        if redis.call('DEL', key) == 1 then
            tell(receiver, text)
        end
    elseif redis.call('PTTL', key) <= remembered - shortest
        and redis.call('SISMEMBER', '{{BLOCKED}}' .. receiver, typist) == 0 then
        redis.call('SET', key, 1, 'PX', remembered)
        tell(receiver, text)
    end
end

for gateway, downlink in pairs(downlinks) do
    redis.call('PUBLISH', '{{GATEWAY}}' .. gateway, cmsgpack.pack(downlink))
end
return 1
