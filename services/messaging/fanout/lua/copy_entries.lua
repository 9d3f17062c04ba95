-- Copy a part of a user's inbox, with some texts changed, to the stream that takes the inbox's place in the end.
-- Ids, order and TTL stay. Entries that were trimmed meanwhile aren't added again, and entries that have come are copied too.
-- ARGV[1]: user; ARGV[2]: token of the lock
-- ARGV[3], ARGV[4]: ids of the entry after which the part begins, and of its last entry, or '' for the inbox's first or newest
-- ARGV[5]: bytes after which a part without a last entry ends
-- ARGV[6]: msgpack of {entry id, text, whether it is an event of its own, without peer and unread total, ...}
-- ARGV[7]: msgpack of {offset, bytes, ...} of all changed texts; ARGV[8]: milliseconds for which the lock is kept
-- Returns nil when the lock is lost or the inbox is a new one; '' when the copy has taken the inbox's place; or else the id of
-- the last copied entry.

local STEP = 4
local user, after, room = ARGV[1], ARGV[3], tonumber(ARGV[5])
local key, copy, large = '{{INBOX}}' .. user, '{{INBOX_COPY}}' .. user, '{{INBOX_LARGE}}' .. user
if redis.call('GET', '{{INBOX_LOCK}}' .. user) ~= ARGV[2] then
    return false
end
redis.call('PEXPIRE', '{{INBOX_LOCK}}' .. user, ARGV[8])
if after == '' then
    redis.call('UNLINK', copy)
elseif redis.call('EXISTS', copy) == 0 then
    return false
end

local changed, texts, own = cmsgpack.unpack(ARGV[6]), {}, {}
for i = 1, #changed, 3 do
    texts[changed[i]], own[changed[i]] = changed[i + 1], changed[i + 2]
end
local newest = ARGV[4] == '' and '+' or ARGV[4]
local is_done
repeat
    local entries = redis.call('XRANGE', key, after == '' and '-' or '(' .. after, newest, 'COUNT', STEP)
    for _, entry in ipairs(entries) do
        local id, fields = entry[1], entry[2]
        local text = texts[id] or fields[{{ENTRY_TEXT_PLACE}}]
        fields[{{ENTRY_TEXT_PLACE}}] = text
        if own[id] then
            fields = { '{{ENTRY_TEXT}}', text, '{{ENTRY_PEER}}', '' }
        end
        redis.call('XADD', copy, id, unpack(fields))
        after, room = id, room - #text
    end
    is_done = #entries < STEP
until is_done or (newest == '+' and room <= 0)
redis.call('PEXPIRE', copy, 10 * ARGV[8])
if newest ~= '+' or not is_done then
    return after
end

local left, oldest = redis.call('PTTL', key), redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
if not oldest then
    redis.call('UNLINK', copy)
    return ''
end
redis.call('XTRIM', copy, 'MINID', oldest[1])
redis.call('UNLINK', key)
redis.call('RENAME', copy, key)
if left > 0 then
    redis.call('PEXPIRE', key, left)
else
    redis.call('PERSIST', key)
end
-- The texts count by their new sizes among the inbox's bytes (inboxes.lua).
local sizes = {}
changed = cmsgpack.unpack(ARGV[7])
for i = 1, #changed, 2 do
    sizes[changed[i]] = changed[i + 1]
end
for i, item in ipairs(redis.call('LRANGE', large, 0, -1)) do
    local offset = string.match(item, '^%d+')
    if sizes[offset] then
        redis.call('LSET', large, i - 1, offset .. ' ' .. sizes[offset])
    end
end
return ''
