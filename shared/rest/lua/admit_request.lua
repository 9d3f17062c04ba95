-- Follows gcra.lua, which has `take`.
-- What a request needs to know of its user: whether there is an allowance left, and until when its tokens are revoked.
-- ARGV: user, name of the allowance, ms until one more is allowed, how many at once
-- Returns what `take` does, and Unix seconds up to which tokens of the user are revoked, or nil.

local answer = take(ARGV[2], ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]))
answer[4] = redis.call('GET', '{{REVOKED}}' .. ARGV[1])
return answer
