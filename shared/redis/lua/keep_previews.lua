-- Store the texts of messages whose pushes wait, except for messages that have changed since.
-- ARGV[1]: seconds; then of each message its id and the beginning of its text
for i = 2, #ARGV, 2 do
    if redis.call('EXISTS', '{{CHANGED}}' .. ARGV[i]) == 0 then
        redis.call('SET', '{{PREVIEW}}' .. ARGV[i], ARGV[i + 1], 'EX', ARGV[1])
    end
end
