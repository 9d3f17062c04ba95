-- A replica starts: what is not there is not known to have been lost.
redis.call('SET', '{{LEASES_KNOWN}}', '1', 'NX')
return 1
