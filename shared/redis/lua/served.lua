-- Note what a replica serves, and tell what all replicas of the service serve that said so lately.
-- ARGV[1]: service; ARGV[2]: how long that counts, in ms; ARGV[3]: what the replica says of itself, or '' to ask only
-- Returns what each of the replicas says.
local key = '{{SERVED}}' .. ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - ARGV[2])
if ARGV[3] ~= '' then
    redis.call('ZADD', key, now, ARGV[3])
end
redis.call('PEXPIRE', key, ARGV[2])
return redis.call('ZRANGE', key, 0, -1)
