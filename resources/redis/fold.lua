-- From a line of the log to the keys that follow from it: a function a kind, in the order of
-- base/log.py. They read nothing but the line and the keys, and decide nothing.

local EVICTED = 256   -- evicted pages that a session remembers

local fold = {}

local function bump(handle) redis.call('HINCRBY', key.session(handle), 'revision', 1) end

local function begin_turn(handle, turn, cause)
  redis.call('HSET', key.session(handle), 'turn', turn, 'turn_cause', cause,
    'faults', 0, 'fault_tokens', 0)
end

local function settings(handle, data)
  for _, name in ipairs({'title', 'parent', 'model', 'budget', 'mode', 'policy', 'forked_at'}) do
    local value = data[name]
    if value ~= nil then
      if type(value) == 'number' then value = int(value) end
      redis.call('HSET', key.session(handle), name, value)
    end
  end
end

-- What a fork takes over as it is in its parent.
local GOING_ON = {'turn', 'turn_cause', 'segment', 'faults', 'fault_tokens', 'messages',
  'user_messages', 'ai_messages', 'tool_calls', 'tokens', 'prompt_tokens', 'completion_tokens',
  'total_faults', 'bindings', 'model', 'budget', 'mode', 'policy'}

local function go_on(handle, parent)
  local row = redis.call('HMGET', key.session(parent), unpack(GOING_ON))
  for i, name in ipairs(GOING_ON) do
    if row[i] then redis.call('HSETNX', key.session(handle), name, row[i]) end
  end
end

function fold.session(line, data)
  local handle = line.session
  redis.call('HSET', key.session(handle), 'number', line.position, 'revision', 0,
    'created_at', line.at, 'active_at', line.at)
  settings(handle, data)
  if data.parent and data.forked_at then go_on(handle, data.parent) end
  redis.call('ZADD', key.handles, 0, handle)
end

function fold.session_changed(line, data)
  settings(line.session, data)
  bump(line.session)
end

local function remember(line, written, event)
  redis.call('HSET', key.written(line.session), written,
    table.concat({event or '-', line.page or '-', line.position}, ' '))
end

local function count_tokens(handle, data)
  local usage, tokens = data.usage, data.tokens or 0
  local prompt, completion = 0, 0
  if usage and next(usage) then
    prompt, completion = usage.prompt or 0, usage.completion or 0
  elseif data.role == 'assistant' then
    completion = tokens
  else
    prompt = tokens
  end
  local row = key.session(handle)
  redis.call('HINCRBY', row, 'prompt_tokens', int(prompt))
  redis.call('HINCRBY', row, 'completion_tokens', int(completion))
  redis.call('HINCRBY', row, 'tokens', int(prompt + completion))
end

function fold.event(line, data)
  local handle, row = line.session, key.session(line.session)
  if data.begins_turn then begin_turn(handle, line.turn, 'message') end
  redis.call('HINCRBY', row, data.role == 'tool' and 'tool_calls' or 'messages', 1)
  if data.role == 'user' then redis.call('HINCRBY', row, 'user_messages', 1) end
  if data.role == 'assistant' then redis.call('HINCRBY', row, 'ai_messages', 1) end
  count_tokens(handle, data)
  if data.key then remember(line, data.key, data.event_id) end
  redis.call('RPUSH', key.events(handle), line.position)
end

-- What an index has to hear of.
local function index(line)
  redis.call('HSET', key.head, 'indexable', line.position)
  redis.call('RPUSH', key.indexable, line.position)
end

local function set_head(line, head)
  local page = key.page(line.page)
  local home = redis.call('HGET', page, 'h')
  local branch = home == line.session and '@' or '@' .. line.session
  local before = redis.call('HGET', page, branch)
  if before then redis.call('HSET', page, '^' .. line.position, before) end
  redis.call('HSET', page, branch, head)
end

-- What a page holds beside its text is kept for as long as a page holds it.
local function hold(page, contents)
  local held = redis.call('HGET', key.page(page), 'b')
  for _, number in ipairs(contents) do
    local content = int(number)
    held = (held and held .. ' ' or '') .. content
    local checksum = redis.call('GETRANGE', key.content(content), 4, 19)
    if checksum ~= '' then
      redis.call('SADD', key.holders(content), page)
      redis.call('HSET', key.blobs, checksum, content)
    end
  end
  redis.call('HSET', key.page(page), 'b', held)
end

local function add_version(line, data, version)
  local page = key.page(line.page)
  redis.call('HSET', page, 'n', version, 'v' .. version, table.concat({
    line.position, int(data.content), data.hint and int(data.hint) or '-',
    string.format('%.17g', data.importance or 0.5), data.modality}, ' '))
  if data.blobs and #data.blobs > 0 then hold(line.page, data.blobs) end
  set_head(line, version)
  for _, source in ipairs(data.derived_from or {}) do
    redis.call('SADD', key.derived(source), line.page)
  end
  index(line)
end

function fold.page(line, data)
  local page = key.page(line.page)
  redis.call('HSET', page, 'h', line.session, 't', data.page_type)
  if data.role then redis.call('HSET', page, 'o', data.role) end
  if data.payload then redis.call('HSET', page, 'y', int(data.payload)) end
  add_version(line, data, '1')
  redis.call('RPUSH', key.home(line.session, data.page_type), line.page)
  redis.call('HINCRBY', key.head, 'pages', 1)
  if data.key and not data.event_id then remember(line, data.key) end
end

function fold.version(line, data)
  add_version(line, data, int(data.version))
  if data.key then remember(line, data.key) end
end

function fold.revert(line, data)
  set_head(line, int(data.version) .. ' ' .. line.position)
  index(line)
end

function fold.supersede(line, data)
  local page = key.page(line.page)
  local home = redis.call('HGET', page, 'h')
  local branch = home == line.session and 's' or 's@' .. line.session
  local before = redis.call('HGET', page, branch)
  local link = line.position .. ' ' .. (data.by or '-')
  redis.call('HSET', page, branch, before and before .. ' ' .. link or link)
  redis.call('SADD', key.linked, line.page)
end

function fold.represent(line, data)
  local page, level = key.page(line.page), 'r' .. int(data.version) .. '.' .. int(data.level)
  local before, now = redis.call('HGET', page, level),
    table.concat({int(data.content), int(data.tokens), data.origin}, ' ')
  if before and words_of(before)[3] == 'model' and data.origin ~= 'model' then
    before, now = now, before  -- a model's own words stay
  end
  if before then  -- its content stays until the page is forgotten
    local replaced = redis.call('HGET', page, 'x')
    redis.call('HSET', page, 'x', (replaced and replaced .. ' ' or '') .. words_of(before)[1])
  end
  redis.call('HSET', page, level, now)
end

local function drop_content(id)
  local chunks = redis.call('GETRANGE', key.content(id), 1, 3)
  for chunk = 1, (tonumber(chunks) or 1) - 1 do redis.call('UNLINK', key.chunk(id, chunk)) end
  redis.call('UNLINK', key.content(id))
end

function fold.collect(line, data)
  local gone = {}
  for _, id in ipairs(data.contents) do
    gone[int(id)] = true
    drop_content(int(id))
  end
  if not line.page then return end
  local page, left = key.page(line.page), {}
  local fields = redis.call('HGETALL', page)
  for i = 1, #fields, 2 do
    local kind, words = string.sub(fields[i], 1, 1), words_of(fields[i + 1])
    if kind == 'r' and gone[words[1]] then
      redis.call('HDEL', page, fields[i])
    elseif kind == 'x' then
      for _, id in ipairs(words) do
        if not gone[id] then left[#left + 1] = id end
      end
      redis.call('HDEL', page, 'x')
      if #left > 0 then redis.call('HSET', page, 'x', table.concat(left, ' ')) end
    end
  end
end

function fold.archive(line)
  local page = key.page(line.page)
  local about = redis.call('HMGET', page, 'h', 'f', 'a')
  if about[1] and not about[2] then
    if not about[3] then redis.call('HINCRBY', key.head, 'archived', 1) end
    redis.call('HSET', page, 'a', line.position)
  end
  index(line)
end

local function unarchive(page)
  if redis.call('HDEL', page, 'a') == 1 then redis.call('HINCRBY', key.head, 'archived', -1) end
end

function fold.unarchive(line)
  unarchive(key.page(line.page))
  index(line)
end

-- The page is there and was not forgotten; then the session is noted as one that keeps it.
local function may_keep(page, handle)
  local found = redis.call('HMGET', key.page(page), 'h', 'f')
  if not found[1] or found[2] then return false end
  if found[1] ~= handle then redis.call('HSET', key.page(page), '#' .. handle, 1) end
  return true
end

function fold.pin(line, data)
  bump(line.session)
  if not data.pinned then
    redis.call('HDEL', key.pinned(line.session), line.page)
  elseif may_keep(line.page, line.session) then
    local until_turn = data.until_turn and int(data.until_turn) or ''
    redis.call('HSET', key.pinned(line.session), line.page, until_turn)
  end
end

local function place(handle, page, words)
  redis.call('HSET', key.resident(handle), page, table.concat(words, ' '))
end

local function resident(handle, page)
  local kept = redis.call('HGET', key.resident(handle), page)
  return kept and words_of(kept)
end

function fold.fault_in(line, data)
  bump(line.session)
  if not may_keep(line.page, line.session) then return end
  local version = int(data.version)
  local about = redis.call('HMGET', key.page(line.page), 't', 'o', 'v' .. version)
  if not about[3] then return end
  local made = words_of(about[3])
  place(line.session, line.page, {version, int(data.level), int(data.tokens), line.position,
    line.turn, line.turn, int(data.protected_until or 0), about[1], made[4], made[2], about[2] or '-',
    modality_of(made)})
  redis.call('ZREM', key.evicted(line.session), line.page)
end

function fold.demote(line, data)
  bump(line.session)
  local words = resident(line.session, line.page)
  if not words then return end
  words[2], words[3] = int(data.level), int(data.tokens)
  if not data.cause then words[4], words[5] = line.position, line.turn end
  place(line.session, line.page, words)
  redis.call('ZREM', key.evicted(line.session), line.page)
end

local function forget_oldest_evicted(handle)
  local evicted = key.evicted(handle)
  local over = redis.call('ZCARD', evicted) - EVICTED
  if over <= 0 then return end
  for _, page in ipairs(redis.call('ZRANGE', evicted, 0, over - 1)) do
    redis.call('HDEL', key.resident(handle), page)
    redis.call('ZREM', evicted, page)
  end
end

function fold.evict(line)
  bump(line.session)
  local words = resident(line.session, line.page)
  if not words then return end
  words[2], words[3], words[5] = '-', '0', line.turn
  place(line.session, line.page, words)
  local order = tonumber(line.turn) * 1e9 + tonumber(words[4]) % 1e9
  redis.call('ZADD', key.evicted(line.session), int(order), line.page)
  forget_oldest_evicted(line.session)
end

function fold.touch(line)
  bump(line.session)
  local words = resident(line.session, line.page)
  if not words or words[2] == '-' then return end
  words[4], words[5] = line.position, line.turn
  place(line.session, line.page, words)
end

function fold.turn(line, data)
  begin_turn(line.session, line.turn, data.cause)
  bump(line.session)
end

function fold.fault(line, data)
  local row = key.session(line.session)
  if not data.more then
    redis.call('HINCRBY', row, 'faults', 1)
    redis.call('HINCRBY', row, 'total_faults', 1)
  end
  redis.call('HINCRBY', row, 'fault_tokens', int(data.tokens))
end

local function release(page, contents)
  for _, content in ipairs(contents) do
    redis.call('SREM', key.holders(content), page)
    if redis.call('EXISTS', key.holders(content)) == 0 then
      local checksum = redis.call('GETRANGE', key.content(content), 4, 19)
      if redis.call('HGET', key.blobs, checksum) == content then
        redis.call('HDEL', key.blobs, checksum)
      end
      drop_content(content)
    end
  end
end

local function let_go(handle, page, touched)
  local mapped = redis.call('HDEL', key.resident(handle), page)
  local pinned = redis.call('HDEL', key.pinned(handle), page)
  redis.call('ZREM', key.evicted(handle), page)
  if mapped + pinned > 0 then
    bump(handle)
    touched[handle] = true
  end
end

function fold.forget(line, _, touched)
  local page = key.page(line.page)
  local fields = redis.call('HGETALL', page)
  local was_forgotten = redis.call('HEXISTS', page, 'f') == 1
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    local kind = string.sub(name, 1, 1)
    if kind == 'v' then
      local words = words_of(value)
      drop_content(words[2])
      if words[3] ~= '-' then drop_content(words[3]) end
    elseif kind == 'r' then
      drop_content(words_of(value)[1])
      redis.call('HDEL', page, name)
    elseif kind == 'b' then
      release(line.page, words_of(value))
    elseif kind == 'x' or kind == 'y' then
      for _, id in ipairs(words_of(value)) do drop_content(id) end
    elseif kind == 'h' then
      let_go(value, line.page, touched)
    elseif kind == '#' then
      let_go(string.sub(name, 2), line.page, touched)
      redis.call('HDEL', page, name)
    end
  end
  if #fields > 0 and not was_forgotten then
    redis.call('HSET', page, 'f', line.position)
    redis.call('HINCRBY', key.head, 'pages', -1)
  end
  unarchive(page)
  index(line)
end

function fold.call(line, data)
  if not data.number then return end
  local row = key.session(line.session)
  local last = tonumber(redis.call('HGET', row, 'bindings') or 0)
  if data.number > last then redis.call('HSET', row, 'bindings', int(data.number)) end
end

function fold.call_seen() end

function fold.fix() end

function fold.promote() end

function fold.binding_used() end

function fold.verdict() end

function fold.checkpoint(line)
  bump(line.session)
  redis.call('RPUSH', key.checkpoints(line.session), line.position)
end

function fold.restore(line) bump(line.session) end

function fold.mend(line) bump(line.session) end
