-- Whether it is these messages' turn to be delivered: 1, or 0 when one before them is stored but not delivered yet.
-- ARGV[1]: msgpack of a flat list: key of a last message, seq that directly follows what must have been delivered

local waiting = cmsgpack.unpack(ARGV[1])
for i = 1, #waiting, 2 do
    if waiting[i + 1] > tonumber(redis.call('HGET', waiting[i], 'seq') or 0) + 1 then
        return 0
    end
end
return 1
