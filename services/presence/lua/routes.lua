-- ARGV[1]: msgpack list of user ids. Returns [index of the user, gateway…]… for users with a live connection, each gateway once.

local results = {}
for i, user in ipairs(cmsgpack.unpack(ARGV[1])) do
  local gateways = redis.call('HVALS', '{{ROUTES}}' .. user)
  if #gateways > 0 then
    local found, known = { i }, {}
    for _, gateway in ipairs(gateways) do
      if not known[gateway] then
        known[gateway] = true
        found[#found + 1] = gateway
      end
    end
    results[#results + 1] = found
  end
end
return results
