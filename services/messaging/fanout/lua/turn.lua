-- Whether these messages may be delivered: 1, or 0 when an earlier one is stored but not delivered yet.
-- ARGV[1]: msgpack of {keys of seqs delivered, for each the seq that directly follows what must have been delivered}

local delivered, follows = unpack(cmsgpack.unpack(ARGV[1]))
for i, seq in ipairs(redis.call('MGET', unpack(delivered))) do
    if follows[i] > tonumber(seq or 0) + 1 then
        return 0
    end
end
return 1
