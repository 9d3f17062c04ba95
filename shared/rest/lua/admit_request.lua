-- Follows gcra.lua, which has `take`.
-- Take one request from a user's token bucket, and read up to when the user's tokens are revoked.
-- ARGV: user, name of the limit, ms until the bucket gets one more, how many it holds
-- Returns the results of `take`, and the Unix seconds up to which the user's tokens are revoked, or nil.

local answer = take(ARGV[2], ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]))
answer[4] = redis.call('GET', '{{REVOKED}}' .. ARGV[1])
return answer
