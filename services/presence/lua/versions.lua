-- ARGV: user ids. Returns the version of each one's friend list, or false.

local versions = {}
for i, user in ipairs(ARGV) do
  versions[i] = redis.call('GET', '{{FRIENDS_VERSION}}' .. user)
end
return versions
