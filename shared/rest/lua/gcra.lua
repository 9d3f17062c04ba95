-- Take one request from a user's allowance (generic cell rate algorithm: ITU-T I.371, annex A).
-- interval: ms until one more is allowed; burst: how many at once
-- Returns whether it was allowed, how many are left, and the ms until the next one (after a refusal) or until all are allowed
-- again.

local function take(name, user, interval, burst)
    local time = redis.call('TIME')
    local now = time[1] * 1000 + time[2] / 1000
    local key = '{{REST_RATE}}' .. name .. ':' .. user
    local full_at = math.max(tonumber(redis.call('GET', key) or 0), now) + interval
    local room = now + interval * burst - full_at
    if room < 0 then
        return { 0, 0, math.ceil(-room) }
    end
    redis.call('SET', key, string.format('%.3f', full_at), 'PX', math.ceil(full_at - now))
    return { 1, math.floor(room / interval), math.ceil(full_at - now) }
end
