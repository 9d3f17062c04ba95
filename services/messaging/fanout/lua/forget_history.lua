-- Remove a conversation's messages up to a seq from a user's inbox: the event that the conversation was cleared replaces them.
-- ARGV[1]: user; ARGV[2]: conversation; ARGV[3]: seq; ARGV[4]: JSON of the event, without its last brace; ARGV[5]: '1' when all
-- messages up to the seq have been delivered, so that no later one belongs to them
-- Returns how many entries were replaced. An inbox may have megabytes, so it isn't read again for the same seq.
--
-- Within a JSON string every quotation mark is escaped, so these patterns find only fields. An entry of a stream can't be
-- changed, so the inbox is written again, with the same ids.

local key, conversation, cleared, event = '{{INBOX}}' .. ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local done = '{{INBOX_CLEARED}}' .. ARGV[1]
if tonumber(redis.call('HGET', done, conversation) or -1) >= cleared then
    return 0
end
local belongs = '"conversationId":"' .. conversation .. '"'
local entries = redis.call('XRANGE', key, '-', '+')
local replaced = 0

local function shows_history(text)
    if not string.find(text, '"type":"message.', 1, true) and not string.find(text, '"type":"reaction.', 1, true) then
        -- Settings of the conversation carry its last message.
        return string.find(text, '"type":"conversation.updated"', 1, true) and string.find(text, '"id":"' .. conversation .. '"', 1, true)
    end
    local seq = string.find(text, belongs, 1, true) and tonumber(string.match(text, '"seq":(%d+)'))
    return seq and seq <= cleared
end

local gone = {}
for _, entry in ipairs(entries) do
    if shows_history(entry[2][{{ENTRY_TEXT_PLACE}}]) then
        entry[2] = { '{{ENTRY_TEXT}}', event, '{{ENTRY_PEER}}', '' }
        replaced = replaced + 1
        gone[string.match(entry[1], '^%d+')] = true
    end
end
local left = redis.call('PTTL', key)
if replaced > 0 then
    redis.call('DEL', key)
    for _, entry in ipairs(entries) do
        redis.call('XADD', key, entry[1], unpack(entry[2]))
    end
    if left > 0 then
        redis.call('PEXPIRE', key, left)
    end
    -- Their texts no longer count among the inbox's bytes (inboxes.lua).
    for _, item in ipairs(redis.call('LRANGE', '{{INBOX_LARGE}}' .. ARGV[1], 0, -1)) do
        if gone[string.match(item, '^%d+')] then
            redis.call('LREM', '{{INBOX_LARGE}}' .. ARGV[1], 1, item)
        end
    end
end
if left > 0 and ARGV[5] == '1' then
    redis.call('HSET', done, conversation, ARGV[3])
    redis.call('PEXPIRE', done, left)
end
return replaced
