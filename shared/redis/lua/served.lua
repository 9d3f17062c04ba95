-- Store the announcement of a replica, and return the recent announcements of all replicas of the service.
-- ARGV[1]: service; ARGV[2]: how long an announcement counts, in ms; ARGV[3]: the replica's announcement, or '' to read only
-- Returns the announcement of each replica.
local key = '{{SERVED}}' .. ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - ARGV[2])
if ARGV[3] ~= '' then
    redis.call('ZADD', key, now, ARGV[3])
end
redis.call('PEXPIRE', key, ARGV[2])
return redis.call('ZRANGE', key, 0, -1)
