-- The entries of a user's inbox whose texts may show certain messages.
-- ARGV[1]: user; ARGV[2]: msgpack of {{conversation, Lua pattern of `"seq":N`}, ...}
-- Returns {entry id, text, entry id, text ...}.

local patterns, found = cmsgpack.unpack(ARGV[2]), {}
for _, entry in ipairs(redis.call('XRANGE', '{{INBOX}}' .. ARGV[1], '-', '+')) do
    local text = entry[2][{{ENTRY_TEXT_PLACE}}]
    for _, pattern in ipairs(patterns) do
        if string.find(text, pattern[1], 1, true) and string.find(text, pattern[2]) then
            found[#found + 1] = entry[1]
            found[#found + 1] = text
            break
        end
    end
end
return found
