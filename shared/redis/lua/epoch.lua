-- The epoch of a partition's inboxes: a cursor of an earlier one proves nothing.
-- A new epoch begins when the server may have lost something: when it was started again with what its disk had, or when a
-- replica took its place, which may have lagged. Both make a new replication id (Redis documentation, «Replication ID
-- explained»). So does the first replica of a master; and a cluster moves slots without loss: then the epoch stays, as far as the
-- server was never a replica.
-- An epoch is ten digits, Unix seconds or more; later ones are higher. The tag of an inbox entry is the epoch and nine digits.

local function begin_epoch(known)
  local seconds = tonumber(redis.call('TIME')[1])
  return string.format('%010d', math.max(seconds, tonumber(known or 0) + 1))
end

-- The epoch that was found last, which costs less to read than `checked_epoch`.
local function known_epoch()
  local known = redis.call('HGET', '{{INBOX_EPOCH}}', 'epoch')
  if not known then
    known = begin_epoch()
    redis.call('HSET', '{{INBOX_EPOCH}}', 'epoch', known)
  end
  return known
end

-- The epoch of now.
local function checked_epoch()
  local replication = redis.call('INFO', 'replication')
  local server = string.match(replication, 'master_replid:(%x+)')
  local known = redis.call('HMGET', '{{INBOX_EPOCH}}', 'server', 'run', 'node', 'epoch')
  local known_run, known_node, epoch = known[2], known[3], known[4]
  if known[1] == server then
    return epoch
  end
  local run, node = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)'), {{NODE}}
  local was_replica = not string.match(replication, 'master_replid2:0+%s')
  local same_process = known_run == run and not was_replica
  local moved = known_node and known_node ~= '' and known_node ~= node and not was_replica
  -- What `known_epoch` began, before anybody checked, has lost nothing yet.
  if not epoch or known_run and not same_process and not moved then
    epoch = begin_epoch(epoch)
  end
  redis.call('HSET', '{{INBOX_EPOCH}}', 'server', server, 'run', run, 'node', node, 'epoch', epoch)
  return epoch
end

local function tag_in(epoch, random)
  return epoch .. string.format('%09d', random % 1000000000)
end

-- The epoch of an entry's id or a cursor, or nil.
local function epoch_of(id)
  return string.match(id, '^%d+%-(%d%d%d%d%d%d%d%d%d%d)%d%d%d%d%d%d%d%d%d$')
end
