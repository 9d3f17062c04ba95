-- The epoch of a partition's inboxes. A cursor of an earlier epoch isn't valid.
-- A new epoch begins when the server may have lost data: after a restart from disk, or when a replica that may have lagged took
-- over. Both change the replication id (Redis documentation, «Replication ID explained»). The first replica of a master changes
-- it too, and a cluster moves slots without loss: in these cases the epoch stays, provided that the server was never a replica.
-- An epoch has ten digits, Unix seconds or more; later ones are higher. The tag of an inbox entry is the epoch and nine digits.

local function begin_epoch(known)
  local seconds = tonumber(redis.call('TIME')[1])
  return string.format('%010d', math.max(seconds, tonumber(known or 0) + 1))
end

-- The last known epoch, which costs less to read than `checked_epoch`.
local function known_epoch()
  local known = redis.call('HGET', '{{INBOX_EPOCH}}', 'epoch')
  if not known then
    known = begin_epoch()
    redis.call('HSET', '{{INBOX_EPOCH}}', 'epoch', known)
  end
  return known
end

-- The current epoch, after checking the server.
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
  -- An epoch that `known_epoch` began before the first check is still complete.
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
