-- Commits, each whole or not at all. ARGV: of each commit its JSON, as stores/redis/drafting.py
-- writes it, and then its contents. A script does not roll back, so a commit is checked from end to
-- end before its first write.

local EVICTED = 256   -- evicted pages that a session remembers
local KEEP = 120      -- seconds in which a commit may be sent again

local function field(name, value) return '"' .. name .. '":' .. value end

--------------------------------------------------------------------------------------------------
-- What a commit rests on

local function forgotten(page)
  return redis.call('HEXISTS', key.page(page), 'f') == 1
end

local function session_exists(handle)
  return redis.call('EXISTS', key.session(handle)) == 1
end

-- What stands against the commit, nil when nothing does.
local function objection(commit, last)
  if redis.call('EXISTS', key.head) == 0 then return {'gone'} end
  for _, expected in ipairs(commit.expects) do
    local revision = redis.call('HGET', key.session(expected[1]), 'revision') or '0'
    if revision ~= int(expected[2]) then return {'conflict', expected[1]} end
  end
  for _, expected in ipairs(commit.heads) do
    if head_of(expected[2], expected[1]) ~= int(expected[3]) then
      return {'conflict', expected[2]}
    end
  end
  for _, page in ipairs(commit.sources) do
    if forgotten(page) then return {'conflict', page} end
  end
  local opened = {}
  for _, op in ipairs(commit.ops) do
    if op.kind == 'session' then
      opened[op.session] = true
    elseif op.session and not opened[op.session] and not session_exists(op.session) then
      return {'unknown', op.session}
    elseif not op.session and op.kind ~= 'forget' then
      return {'unknown', ''}
    end
    if commit.replay and op.position ~= last + 1 then
      return {'gap', int(op.position), int(last)}
    end
    last = last + 1
  end
  for _, content in ipairs(commit.contents) do
    for chunk = 1, content.chunks - 1 do
      if redis.call('EXISTS', key.staged(commit.token .. ':' .. content.slot .. ':' .. chunk)) == 0 then
        return {'unstaged'}
      end
    end
  end
end

--------------------------------------------------------------------------------------------------
-- Folding: from a line to the keys that follow from it, a function a kind

local fold = {}

local function bump(handle) redis.call('HINCRBY', key.session(handle), 'revision', 1) end

local function begin_turn(handle, turn, cause)
  redis.call('HSET', key.session(handle), 'turn', turn, 'turn_cause', cause,
    'faults', 0, 'fault_tokens', 0)
end

local function settings(handle, data)
  for _, name in ipairs({'title', 'parent', 'model', 'budget', 'mode', 'forked_at'}) do
    local value = data[name]
    if value ~= nil then
      if type(value) == 'number' then value = int(value) end
      redis.call('HSET', key.session(handle), name, value)
    end
  end
end

function fold.session(line, data)
  local handle = line.session
  redis.call('HSET', key.session(handle), 'number', line.position, 'revision', 0,
    'created_at', line.at, 'active_at', line.at)
  settings(handle, data)
  redis.call('ZADD', key.handles, 0, handle)
end

function fold.session_changed(line, data)
  settings(line.session, data)
  bump(line.session)
end

local function remember(handle, written, event, page)
  redis.call('HSET', key.written(handle), written, (event or '-') .. ' ' .. (page or '-'))
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
  if data.key then remember(handle, data.key, data.event_id, line.page) end
  redis.call('RPUSH', key.events(handle), line.position)
end

local function add_version(line, data, version)
  local page = key.page(line.page)
  redis.call('HSET', page, 'n', version, 'v' .. version, table.concat({
    line.position, int(data.content), data.hint and int(data.hint) or '-',
    string.format('%.17g', data.importance or 0.5)}, ' '))
  local home = redis.call('HGET', page, 'h')
  redis.call('HSET', page, home == line.session and '@' or '@' .. line.session, version)
  for _, source in ipairs(data.derived_from or {}) do
    redis.call('SADD', key.derived(source), line.page)
  end
  redis.call('HSET', key.head, 'indexable', line.position)
  redis.call('RPUSH', key.indexable, line.position)
end

function fold.page(line, data)
  local page = key.page(line.page)
  redis.call('HSET', page, 'h', line.session, 't', data.page_type)
  if data.role then redis.call('HSET', page, 'o', data.role) end
  if data.payload then redis.call('HSET', page, 'y', int(data.payload)) end
  add_version(line, data, '1')
  redis.call('RPUSH', key.home(line.session, data.page_type), line.page)
  redis.call('HINCRBY', key.head, 'pages', 1)
  if data.key and not data.event_id then remember(line.session, data.key, nil, line.page) end
end

function fold.version(line, data)
  add_version(line, data, int(data.version))
  if data.key then remember(line.session, data.key, nil, line.page) end
end

function fold.represent(line, data)
  local page, level = key.page(line.page), 'r' .. int(data.version) .. '.' .. int(data.level)
  local before = redis.call('HGET', page, level)
  if before then  -- its content stays until the page is forgotten
    local replaced = redis.call('HGET', page, 'x')
    redis.call('HSET', page, 'x', (replaced and replaced .. ' ' or '') .. words_of(before)[1])
  end
  redis.call('HSET', page, level,
    table.concat({int(data.content), int(data.tokens), data.origin}, ' '))
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
    line.turn, line.turn, int(data.protected_until or 0), about[1], made[4], made[2], about[2] or '-'})
  redis.call('ZREM', key.evicted(line.session), line.page)
end

function fold.demote(line, data)
  bump(line.session)
  local words = resident(line.session, line.page)
  if not words then return end
  words[2], words[3], words[4], words[5] = int(data.level), int(data.tokens), line.position, line.turn
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

local function drop_content(id)
  local chunks = redis.call('GETRANGE', key.content(id), 1, 3)
  for chunk = 1, (tonumber(chunks) or 1) - 1 do redis.call('UNLINK', key.chunk(id, chunk)) end
  redis.call('UNLINK', key.content(id))
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
  redis.call('HSET', key.head, 'indexable', line.position)
  redis.call('RPUSH', key.indexable, line.position)
end

-- Write the line itself and where it is found, and let what follows from it happen.
local function write_line(draft, op, page, moment, text)
  local line = {position = int(draft.position), at = moment[1], turn = moment[4],
    session = op.session, page = page}
  fold[op.kind](line, cjson.decode(text), draft.touched)
  redis.call('XADD', key.log, line.position .. '-0', 'at', line.at, 'actor', moment[2],
    'kind', op.kind, 'session', line.session or '', 'segment', moment[3], 'turn', line.turn,
    'page', page or '', 'data', text)
  if line.session then
    draft.touched[line.session] = true
    redis.call('HSET', key.session(line.session), 'active_at', line.at)
    redis.call('RPUSH', key.lines(line.session), line.position)
  end
  if page then redis.call('RPUSH', key.trail(page), line.position) end
end

--------------------------------------------------------------------------------------------------
-- Putting real numbers where a commit has placeholders

local function new_id(draft, slot)
  if not draft.ids[slot] then
    local prefix = draft.commit.new[slot + 1]
    draft.ids[slot] = prefix .. '_' .. redis.call('HINCRBY', key.counters, prefix, 1)
  end
  return draft.ids[slot]
end

local function keep_content(id, commit, content)
  local first = ARGV[commit.at_argument + content.slot + 1]
  redis.call('SET', key.content(id),
    string.sub(first, 1, 1) .. string.format('%03d', content.chunks) .. string.sub(first, 2))
  for chunk = 1, content.chunks - 1 do
    local staged = key.staged(commit.token .. ':' .. content.slot .. ':' .. chunk)
    redis.call('RENAME', staged, key.chunk(id, chunk))
    redis.call('PERSIST', key.chunk(id, chunk))
  end
end

local function new_content(draft, slot)
  if not draft.contents[slot] then
    local id = int(redis.call('HINCRBY', key.head, 'content', 1))
    keep_content(id, draft.commit, draft.commit.contents[slot + 1])
    draft.contents[slot] = id
  end
  return draft.contents[slot]
end

local function written_before(draft, op)
  local first = redis.call('HGET', key.written(op.session), op.key)
  if not first then return false end
  local words = words_of(first)
  for i, slot in ipairs({op.event_slot, op.page_slot}) do
    if slot >= 0 then
      draft.ids[slot] = words[i] ~= '-' and words[i] or ''
      draft.duplicates[slot] = true
    end
  end
  return true
end

local function repeats(draft, op)
  if op.kind == 'session' then return session_exists(op.session) end
  if op.key then return written_before(draft, op) end
  return op.page_slot >= 0 and draft.duplicates[op.page_slot] or false
end

local fill = {}

function fill.id(draft, slot) return '"' .. new_id(draft, slot) .. '"' end

function fill.content(draft, slot) return new_content(draft, slot) end

function fill.ids(draft, items)
  local filled = {}
  for i, item in ipairs(items) do
    filled[i] = type(item) == 'number' and fill.id(draft, item) or item
  end
  return '[' .. table.concat(filled, ',') .. ']'
end

function fill.version(draft, page)
  local latest = tonumber(redis.call('HGET', key.page(page), 'n') or 0)
  draft.versions[page] = int(latest + 1)
  return draft.versions[page]
end

-- The operation's data as JSON, with every placeholder filled.
local function text_of(draft, op)
  local text = op.data
  for _, blank in ipairs(op.blanks) do
    local comma = text == '{' and '' or ','
    text = text .. comma .. field(blank[1], fill[blank[2]](draft, blank[3]))
  end
  return text .. '}'
end

-- Segment and turn of a line that is written now.
local function moment_of(commit, op)
  if not op.session then return {commit.at, commit.actor, '1', '0'} end
  local row = redis.call('HMGET', key.session(op.session), 'segment', 'turn')
  local turn = tonumber(row[2] or 0)
  return {commit.at, commit.actor, row[1] or '1', int(op.begins and turn + 1 or turn)}
end

local function add(draft, op)
  if repeats(draft, op) then return end
  local page = op.page_slot >= 0 and new_id(draft, op.page_slot) or op.page
  local text = text_of(draft, op)
  draft.position = draft.position + 1
  write_line(draft, op, page, op.moment or moment_of(draft.commit, op), text)
end

-- An exported line goes in as it is, and its numbers are not given out again.
local function add_replayed(draft, op)
  draft.position = draft.position + 1
  write_line(draft, op, op.page, op.moment, op.data .. '}')
  for _, id in ipairs(op.ids) do
    local last = tonumber(redis.call('HGET', key.counters, id[1]) or 0)
    if id[2] > last then redis.call('HSET', key.counters, id[1], int(id[2])) end
  end
  draft.content = math.max(draft.content, op.content)
end

local function keep_replayed(draft)
  for _, content in ipairs(draft.commit.contents) do
    keep_content(int(content.id), draft.commit, content)
    draft.content = math.max(draft.content, content.id)
  end
end

--------------------------------------------------------------------------------------------------
-- A commit from its first check to its answer

local function session_rows(handles)
  local rows = {}
  for _, handle in ipairs(handles) do
    rows[#rows + 1] = {handle, redis.call('HGETALL', key.session(handle))}
  end
  return rows
end

local function answer(outcome)
  return {'applied', outcome.ids, outcome.contents, outcome.duplicates, outcome.versions,
    outcome.position, session_rows(outcome.handles)}
end

local function listed(by_slot, count)
  local list = {}
  for slot = 0, count - 1 do list[slot + 1] = by_slot[slot] or '' end
  return list
end

local function keys_of(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  return list
end

local function flattened(map)
  local list = {}
  for name, value in pairs(map) do
    list[#list + 1] = name
    list[#list + 1] = value
  end
  return list
end

local function note_activity(touched)
  for handle in pairs(touched) do
    local row = redis.call('HMGET', key.session(handle), 'number', 'active_at')
    redis.call('ZADD', key.active, row[2], string.format('%012.0f ', row[1]) .. handle)
  end
end

local function carry_out(commit, position)
  local draft = {commit = commit, position = position, content = 0, ids = {}, contents = {},
    duplicates = {}, versions = {}, touched = {}}
  if commit.replay then keep_replayed(draft) end
  for _, op in ipairs(commit.ops) do
    if commit.replay then add_replayed(draft, op) else add(draft, op) end
  end
  redis.call('HSET', key.head, 'position', int(draft.position))
  if commit.replay then
    local last = tonumber(redis.call('HGET', key.head, 'content') or 0)
    redis.call('HSET', key.head, 'content', int(math.max(last, draft.content)))
  end
  note_activity(draft.touched)
  for _, expected in ipairs(commit.expects) do draft.touched[expected[1]] = true end
  for _, op in ipairs(commit.ops) do
    if op.session then draft.touched[op.session] = true end
  end
  return {
    ids = listed(draft.ids, #commit.new),
    contents = listed(draft.contents, #commit.contents),
    duplicates = keys_of(draft.duplicates),
    versions = flattened(draft.versions),
    position = int(draft.position),
    handles = keys_of(draft.touched),
  }
end

local function apply(commit)
  local done = redis.call('GET', key.done(commit.token))
  if done then
    redis.call('EXPIRE', key.done(commit.token), KEEP)  -- a write, for WAIT to have one to wait for
    return answer(cmsgpack.unpack(done))
  end
  local position = tonumber(redis.call('HGET', key.head, 'position') or 0)
  local against = objection(commit, position)
  if against then return against end
  local outcome = carry_out(commit, position)
  redis.call('SET', key.done(commit.token), cmsgpack.pack(outcome), 'EX', KEEP)
  return answer(outcome)
end

local answers, argument = {}, 1
while argument <= #ARGV do
  local commit = cjson.decode(ARGV[argument])
  commit.at_argument = argument
  answers[#answers + 1] = apply(commit)
  argument = argument + 1 + #commit.contents
end
return answers
