-- The first part of the fan-out script, which delivers the effects of one cycle of messaging to the users of this server, all or
-- nothing. This part unpacks the effects, and returns early when they can't be delivered now. unread_totals.lua, inboxes.lua and
-- fanout.lua follow.
--
-- ARGV[1]: msgpack of {tag, trace, events, totals, counters, progress, typing, delivered, last_messages,
-- connection_events, completed, changes, supplied}.
-- Each but the first two is one flat list: a table for each record would cost more than all the rest.
--   trace          traceparent of the cycle, or ''
--   events         for each user: user, number of its events, then of each event
--                  peer, notifiable, counter, count, version
--                  where counter 0 means no unread count and a text without its closing brace; else the text ends before the
--                  unread total, and count and version are the counter's. An event that shows a message always has the
--                  version of its conversation when the message was read
--   totals         keys of unread totals
--   counters       count key, version key, index of the total in totals
--   progress       key, conversation, seq: up to there the user's devices have everything
--   typing         keys of typing indicators that end, if they are shown, with what is delivered here
--   delivered      for each of last_messages, key of the newest seq that was delivered
--   last_messages  key, seq, seq that directly follows what must have been delivered, or 0,
--                  id, sender_id, content, type, created_at
--   connection_events  gateway, connection, text, user: for this connection and, unless the user is '', the user's others
--   completed      gateway, batch
--   changes        {} or {versions, pushes, last_contents, recounts}, each a flat list:
--     versions       user, `<conversation>:<seq>`, version: this call shows the user this change of the message
--     pushes         key, value, seconds: what a push that still waits must take into account
--     last_contents  last message's key, conversation's key of versions, `<conversation>:<seq>`, version, message id, content
--     recounts       counter, count, version: counts that change without an event
--   supplied       index of a total, PostgreSQL's total: shown when Redis has none, while a rebuild is under way
-- ARGV[2], ARGV[3], ARGV[4]: events kept in an inbox, its seconds, a last message's seconds; ARGV[5]: '1' to overtake
-- ARGV[6]: '1' to record the batches as processed, if nothing has to follow; ARGV[7], ARGV[8]: how many, for how many seconds
-- ARGV[9]: bytes of texts kept in an inbox
-- ARGV[10] …: the events' texts, in order. Redis hashes every byte of every string that Lua makes. So the texts are passed
-- once, and the script appends nothing to them: readers of an inbox or a delivery append the unread total and the cursor.
--
-- Returns {0, numbers of the notifiable events that no gateway took, typing keys that are shown}. All other answers mean that
-- nothing was done: {1, indexes of totals that are missing}; {2} when earlier messages are stored but not delivered yet, and may
-- not be overtaken; {3, user} when the user was shown a later change of a message than an event here has. Indexes and numbers
-- begin at 1.

local tag, trace, events, totals, counters, progress, typing, delivered, last_messages, connection_events, completed,
    changes, supplied = unpack(cmsgpack.unpack(ARGV[1]))
local inbox_events, inbox_seconds, last_message_seconds, inbox_bytes = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[9])

local TEXTS = 9
-- Characters of an id at the end of a key.
local UUID = 36
local call = redis.call
local format = string.format

-- Whether any user of the events is part of a block, or was recently shown a change of a message: one command for the whole
-- batch, which almost always says no.
local function any_special()
    local names, position = {}, 1
    while position < #events do
        local user, count = events[position], events[position + 1]
        names[#names + 1] = '{{MESSAGE_VERSIONS}}' .. user
        for i = position + 2, position + 1 + count * 5, 5 do
            if events[i] ~= '' then
                names[#names + 1] = '{{BLOCKED}}' .. user
                break
            end
        end
        position = position + 2 + count * 5
    end
    return #names > 0 and call('EXISTS', unpack(names)) > 0
end

local special = any_special()

-- A user who was shown a later change of a message than an event here shows, or nil.
local function outdated()
    local position, number = 1, 0
    while position < #events do
        local user, count = events[position], events[position + 1]
        local key = '{{MESSAGE_VERSIONS}}' .. user
        if call('EXISTS', key) == 1 then
            for event = 1, count do
                local text, version = ARGV[TEXTS + number + event], events[position + event * 5 + 1]
                local conversation, seq = string.match(text, '"conversationId":"([^"]*)","seq":(%d+)')
                local quoted = string.match(text, '"replyTo":{"seq":(%d+)')
                for _, place in ipairs({seq or false, quoted or false}) do
                    if version > 0 and place and tonumber(call('HGET', key, conversation .. ':' .. place) or 0) > version then
                        return user
                    end
                end
            end
        end
        position = position + 2 + count * 5
        number = number + count
    end
end

local shown_later = special and outdated()
if shown_later then
    return {3, shown_later}
end

-- The newest delivered message of each conversation. There is a gap when another replica has stored an earlier message than ours
-- and not delivered it yet.
local delivered_seq = #delivered > 0 and call('MGET', unpack(delivered)) or delivered
for i = 1, #delivered do
    local seq = tonumber(delivered_seq[i] or 0)
    if last_messages[i * 8 - 5] > seq + 1 and ARGV[5] ~= '1' then
        return {2}
    end
    delivered_seq[i] = seq
end
