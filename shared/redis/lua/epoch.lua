-- The epoch of a partition's inboxes. Two cursors of one epoch prove that nothing was lost between them: when the server may
-- have lost something, a new epoch begins. That is when it is no longer the server that the epoch began on: it was restarted
-- from what its disk had, or a replica took its place, which may have lagged. Both show in the replication id, which a server
-- makes anew when it starts and when it becomes the master (Redis documentation, «Replication ID explained»).
-- A cluster moves slots without loss to nodes that were never replicas: there the epoch stays.
-- A text of Unix seconds, ten digits; later epochs are higher.

local function new_epoch(known)
  local seconds = tonumber(redis.call('TIME')[1])
  return string.format('%010d', math.max(seconds, (tonumber(known or 0) or 0) + 1))
end

-- The epoch that `checked_epoch` has found last; of an empty server, the first one.
local function known_epoch()
  local known = redis.call('HGET', '{{INBOX_EPOCH}}', 'epoch')
  if not known then
    known = new_epoch()
    redis.call('HSET', '{{INBOX_EPOCH}}', 'epoch', known)
  end
  return known
end

local function was_moved(node, replication)
  return node ~= '' and node ~= '{{NODE}}' and string.match(replication, 'master_replid2:0+%s') ~= nil
end

-- The epoch of now. It costs the server some microseconds more.
local function checked_epoch()
  local replication = redis.call('INFO', 'replication')
  local server = string.match(replication, 'master_replid:(%x+)')
  local known = redis.call('HMGET', '{{INBOX_EPOCH}}', 'server', 'node', 'epoch')
  if known[1] == server then
    return known[3]
  end
  local node = {{NODE}}
  local epoch = known[3]
  if not epoch or not known[1] or not (node ~= '' and known[2] and known[2] ~= node
      and string.match(replication, 'master_replid2:0+%s')) then
    epoch = new_epoch(epoch)
  end
  redis.call('HSET', '{{INBOX_EPOCH}}', 'server', server, 'node', node, 'epoch', epoch)
  return epoch
end
