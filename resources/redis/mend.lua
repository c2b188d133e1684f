-- Making what is kept beside the log what the log says. ARGV[1] names what; 1 when it was done, 0
-- when something has happened since it was looked at. stores/redis/mending.py says what the rest is.

local mend = {}

local function is_mapped(kept) return words_of(kept)[2] ~= '-' end

function mend.session(handle, revision, counters, mapped, pins)
  local row = key.session(handle)
  if (redis.call('HGET', row, 'revision') or '0') ~= revision then return 0 end
  for _, counter in ipairs(cjson.decode(counters)) do
    redis.call('HSET', row, counter[1], counter[2])
  end
  local kept = redis.call('HGETALL', key.resident(handle))
  for i = 1, #kept, 2 do
    if is_mapped(kept[i + 1]) then redis.call('HDEL', key.resident(handle), kept[i]) end
  end
  for _, spot in ipairs(cjson.decode(mapped)) do
    local page, version = spot[1], int(spot[2])
    local about = redis.call('HMGET', key.page(page), 't', 'o', 'v' .. version, 'h')
    if about[3] then
      local made = words_of(about[3])
      redis.call('HSET', key.resident(handle), page, table.concat({version, int(spot[3]),
        int(spot[4]), int(spot[5]), int(spot[6]), int(spot[7]), int(spot[8]), about[1], made[4],
        made[2], about[2] or '-', modality_of(made)}, ' '))
      redis.call('ZREM', key.evicted(handle), page)
      if about[4] ~= handle then redis.call('HSET', key.page(page), '#' .. handle, 1) end
    end
  end
  redis.call('UNLINK', key.pinned(handle))
  for _, pin in ipairs(cjson.decode(pins)) do
    redis.call('HSET', key.pinned(handle), pin[1], pin[2])
  end
  return 1
end

function mend.numbers(last, content, head, counters, handles)
  local after = redis.call('XRANGE', key.log, '(' .. last .. '-0', '+', 'COUNT', 1)
  if #after > 0 then return 0 end
  for _, field in ipairs(cjson.decode(head)) do
    redis.call('HSET', key.head, field[1], field[2])
  end
  if tonumber(redis.call('HGET', key.head, 'content') or 0) < tonumber(content) then
    redis.call('HSET', key.head, 'content', content)
  end
  for _, counter in ipairs(cjson.decode(counters)) do
    if tonumber(redis.call('HGET', key.counters, counter[1]) or 0) < counter[2] then
      redis.call('HSET', key.counters, counter[1], int(counter[2]))
    end
  end
  for _, handle in ipairs(cjson.decode(handles)) do
    redis.call('ZADD', key.handles, 0, handle)
  end
  return 1
end

-- A content in other bytes that say the same, where it is still in the single chunk that begins so;
-- the bytes that this has saved.
function mend.content(id, before, after)
  local kept = redis.call('GET', key.content(id))
  if not kept or string.sub(kept, 1, #before) ~= before then return 0 end
  redis.call('SET', key.content(id), after)
  return #kept - #after
end

local arguments = {}
for i = 2, #ARGV do arguments[#arguments + 1] = ARGV[i] end
return mend[ARGV[1]](unpack(arguments))
