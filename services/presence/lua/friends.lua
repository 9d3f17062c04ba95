-- Follows state.lua, which has its functions: `effective`, `seen`, `friends`, `knows_absent`, RANK.
-- ARGV: user ids. Returns [friends' version, friends, or false or true as of `friends`] of each.

local results = {}
for i, user in ipairs(ARGV) do
  results[i] = { friends(user) }
end
return results
