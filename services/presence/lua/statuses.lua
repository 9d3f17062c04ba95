-- Follows state.lua, which has its functions: `effective`, `seen`, `friends`, `knows_absent`, RANK.
-- ARGV: user ids. Returns [status, Unix seconds last seen or false] of each; the status is '' while it can't be known.

local results, known = {}, knows_absent()
for i, user in ipairs(ARGV) do
  local status = effective(user)
  results[i] = { (known or status ~= 'offline') and status or '', seen(user) or false }
end
return results
