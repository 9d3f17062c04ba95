-- Follows gcra.lua, which has `take`.
-- Take one request from a user's token bucket.
-- ARGV: name of the limit, user, ms until the bucket gets one more, how many it holds. Returns the results of `take`.

return take(ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]))
