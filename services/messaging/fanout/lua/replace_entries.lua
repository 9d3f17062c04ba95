-- Replace the texts of entries of a user's inbox. Ids, order and TTL stay; entries that were trimmed meanwhile are not added
-- again.
-- ARGV[1]: user; ARGV[2]: msgpack of {entry id, text, entry id, text ...}

local key, replaced = '{{INBOX}}' .. ARGV[1], cmsgpack.unpack(ARGV[2])
local texts = {}
for i = 1, #replaced, 2 do
    texts[replaced[i]] = replaced[i + 1]
end
local left = redis.call('PTTL', key)
local entries = redis.call('XRANGE', key, '-', '+')
redis.call('DEL', key)
for _, entry in ipairs(entries) do
    local id, fields = entry[1], entry[2]
    fields[{{ENTRY_TEXT_PLACE}}] = texts[id] or fields[{{ENTRY_TEXT_PLACE}}]
    redis.call('XADD', key, id, unpack(fields))
end
if left > 0 then
    redis.call('PEXPIRE', key, left)
end
return #entries
