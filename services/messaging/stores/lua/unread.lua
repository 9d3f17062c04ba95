-- Copy a part of a user's unread counts from PostgreSQL. The last part writes the total.
-- ARGV[1]: user; ARGV[2]: msgpack of {conversation, count, version, ...}, the user's conversations in this part that ever had a
-- message; ARGV[3]: '1' to overwrite all counts; ARGV[4]: name of the rebuild (`begin_unread.lua`), '' for one of a single part
-- ARGV[5], ARGV[6]: the part has the conversations after the first id and up to the second; '': no limit on that side
-- Returns 1; or 0 when there is a total, or this is no longer the user's rebuild, because another one was quicker.
--
-- A count with a newer version in Redis stays. A count that changed since the rebuild began is in the rebuild's hash
-- (`rebuilding.lua`), by its conversation or as a part of the sum. The total expires after some time, and then everything is read
-- from PostgreSQL again. Its counts have a longer TTL.

local user, known, force, name, after, last = ARGV[1], cmsgpack.unpack(ARGV[2]), ARGV[3] == '1', ARGV[4], ARGV[5], ARGV[6]
local total_key, rebuild = '{{UNREAD_TOTAL}}' .. user, '{{UNREAD_REBUILD}}' .. user
if not (force and name == '') and redis.call('EXISTS', total_key) == 1 then
    return 0
end
local sum, changed = 0, {}
if name ~= '' then
    if redis.call('HGET', rebuild, '{{UNREAD_REBUILD_NAME}}') ~= name then
        return 0
    end
    sum = tonumber(redis.call('HGET', rebuild, '{{UNREAD_REBUILD_SUM}}'))
end
for _, field in ipairs(redis.call('HKEYS', rebuild)) do
    if field > after and (last == '' or field <= last) and string.sub(field, 1, 1) ~= '@' then
        changed[field] = true
    end
end

local function stored(conversation)
    return tonumber(redis.call('GET', '{{UNREAD_CONVERSATION}}' .. user .. ':' .. conversation) or 0)
end

local version_keys = {}
for i = 1, #known, 3 do
    version_keys[#version_keys + 1] = '{{UNREAD_VERSION}}' .. user .. ':' .. known[i]
end
local versions = #version_keys > 0 and redis.call('MGET', unpack(version_keys))

for i = 1, #known, 3 do
    local conversation, count, version = known[i], known[i + 1], known[i + 2]
    local place = (i + 2) / 3
    local key, version_key = '{{UNREAD_CONVERSATION}}' .. user .. ':' .. conversation, version_keys[place]
    local all = force and not changed[conversation]
    if all or version >= tonumber(versions[place] or 0) then
        redis.call('SET', key, count, 'EX', {{UNREAD_COUNT_SECONDS}})
        redis.call('SET', version_key, version, 'EX', {{UNREAD_COUNT_SECONDS}})
    else
        count = stored(conversation)
        redis.call('EXPIRE', key, {{UNREAD_COUNT_SECONDS}})
        redis.call('EXPIRE', version_key, {{UNREAD_COUNT_SECONDS}})
    end
    sum = sum + count
    changed[conversation] = nil
end
for conversation in pairs(changed) do
    sum = sum + stored(conversation)
end

if last == '' then
    redis.call('SET', total_key, sum, 'EX', {{UNREAD_TOTAL_SECONDS}})
    redis.call('DEL', rebuild)
else
    redis.call('HSET', rebuild, '{{UNREAD_REBUILD_END}}', last, '{{UNREAD_REBUILD_SUM}}', sum)
    redis.call('EXPIRE', rebuild, {{UNREAD_REBUILD_SECONDS}})
end
return 1
