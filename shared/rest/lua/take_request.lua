-- Follows gcra.lua, which has `take`.
-- Take one request from a user's allowance.
-- ARGV: name of the allowance, user, ms until one more is allowed, how many at once. Returns the results of `take`.

return take(ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]))
