-- ARGV: user ids. Returns [friends' version, friends or false] of each.

local results = {}
for i, user in ipairs(ARGV) do
  results[i] = { friends(user) }
end
return results
