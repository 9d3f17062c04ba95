-- Store verdicts of the moderation hook, all with the same TTL. ARGV[1]: seconds; then, of each: the end of its key, and the
-- verdict

for i = 2, #ARGV, 2 do
    redis.call('SET', '{{VERDICT}}' .. ARGV[i], ARGV[i + 1], 'EX', ARGV[1])
end
