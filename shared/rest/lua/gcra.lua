-- Take one request from a user's token bucket (generic cell rate algorithm: ITU-T I.371, annex A).
-- interval: ms until the bucket gets one more; burst: how many it holds
-- Returns whether it was allowed, how many are left, and the ms until the next one (after a refusal) or until the bucket is
-- full again.

local function take(name, user, interval, burst)
    local time = redis.call('TIME')
    local now = time[1] * 1000 + time[2] / 1000
    local key = '{{REST_RATE}}' .. name .. ':' .. user
    local full_at = math.max(tonumber(redis.call('GET', key) or 0), now) + interval
    local spare = now + interval * burst - full_at
    if spare < 0 then
        return { 0, 0, math.ceil(-spare) }
    end
    redis.call('SET', key, string.format('%.3f', full_at), 'PX', math.ceil(full_at - now))
    return { 1, math.floor(spare / interval), math.ceil(full_at - now) }
end
