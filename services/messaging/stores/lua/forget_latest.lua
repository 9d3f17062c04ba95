-- Delete the copy of a conversation's last message if it is this one, which was deleted. ARGV[1]: conversation; ARGV[2]: message
-- id

local key = '{{LAST_MESSAGE}}' .. ARGV[1]
if redis.call('HGET', key, 'id') == ARGV[2] then
    return redis.call('DEL', key)
end
return 0
