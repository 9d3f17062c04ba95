-- A replica starts: mark the present data as complete, so that missing keys don't count as lost.
redis.call('SET', '{{LEASES_KNOWN}}', '1', 'NX')
return 1
