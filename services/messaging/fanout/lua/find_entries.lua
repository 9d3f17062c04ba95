-- Find the entries in a part of a user's inbox that show certain history.
-- ARGV[1]: user; ARGV[2]: id of the entry after which the part begins, or '' for the first one
-- ARGV[3]: bytes after which it ends
-- ARGV[4]: msgpack of {{contained, pattern, seqs, newest}, ...}: an entry is found when its text contains `contained`, matches
-- `pattern`, and has any of `seqs`, or its first seq is at most `newest`. Without seqs, and with a `newest` of -1, all seqs do.
-- ARGV[5]: token of the lock; ARGV[6]: milliseconds for which it is kept
-- Returns nil when the lock is lost, else {id of the part's last entry, or '' when the inbox has no more; then of each found
-- entry its id and its text}.
--
-- Within a JSON string every quotation mark is escaped, so patterns with one find only fields.

local STEP = 4
if redis.call('GET', '{{INBOX_LOCK}}' .. ARGV[1]) ~= ARGV[5] then
    return false
end
redis.call('PEXPIRE', '{{INBOX_LOCK}}' .. ARGV[1], ARGV[6])
local key, after, room, rules = '{{INBOX}}' .. ARGV[1], ARGV[2], tonumber(ARGV[3]), cmsgpack.unpack(ARGV[4])
for _, rule in ipairs(rules) do
    local wanted = {}
    for _, seq in ipairs(rule[3]) do
        wanted[tostring(seq)] = true
    end
    rule.wanted = next(wanted) and wanted
end

local function has_seq(text, rule)
    if rule.wanted then
        for seq in string.gmatch(text, '"seq":(%d+)') do
            if rule.wanted[seq] then
                return true
            end
        end
        return false
    end
    return rule[4] < 0 or tonumber(string.match(text, '"seq":(%d+)') or rule[4] + 1) <= rule[4]
end

local function is_found(text)
    for _, rule in ipairs(rules) do
        if string.find(text, rule[1], 1, true) and string.find(text, rule[2]) and has_seq(text, rule) then
            return true
        end
    end
    return false
end

local found = { '' }
while true do
    local entries = redis.call('XRANGE', key, after == '' and '-' or '(' .. after, '+', 'COUNT', STEP)
    for _, entry in ipairs(entries) do
        local text = entry[2][{{ENTRY_TEXT_PLACE}}]
        after, room = entry[1], room - #text
        if is_found(text) then
            found[#found + 1] = after
            found[#found + 1] = text
        end
    end
    if #entries < STEP then
        return found
    end
    if room <= 0 then
        found[1] = after
        return found
    end
end
