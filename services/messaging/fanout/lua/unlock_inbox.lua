-- End the rewriting of a user's inbox, unless somebody else has begun one. ARGV[1]: user; ARGV[2]: token of the lock

if redis.call('GET', '{{INBOX_LOCK}}' .. ARGV[1]) == ARGV[2] then
    redis.call('UNLINK', '{{INBOX_LOCK}}' .. ARGV[1], '{{INBOX_COPY}}' .. ARGV[1])
end
