-- ARGV: user ids. Returns [status, Unix seconds last seen or false] of each.

local results = {}
for i, user in ipairs(ARGV) do
  results[i] = { effective(user), seen(user) or false }
end
return results
