-- Commits, each whole or not at all. ARGV: of each commit its JSON, as stores/redis/drafting.py
-- writes it, and then its contents. A script does not roll back, so a commit is checked from end to
-- end before its first write.

local KEEP = 120      -- seconds in which a commit may be sent again
local SESSIONLESS = {forget = true, represent = true, collect = true, archive = true}

local function field(name, value) return '"' .. name .. '":' .. value end

--------------------------------------------------------------------------------------------------
-- What a commit rests on

local function forgotten(page)
  return redis.call('HEXISTS', key.page(page), 'f') == 1
end

-- Whether one of the contents is held by a page, or is more than a level of the page that it is
-- said to be of, which was not forgotten.
local function holds(page, contents)
  local wanted = {}
  for _, id in ipairs(contents) do
    if redis.call('EXISTS', key.holders(int(id))) == 1 then return true end
    wanted[int(id)] = true
  end
  if not page or forgotten(page) then return false end
  local fields = redis.call('HGETALL', key.page(page))
  for i = 1, #fields, 2 do
    local kind, words = string.sub(fields[i], 1, 1), words_of(fields[i + 1])
    if (kind == 'v' and (wanted[words[2]] or wanted[words[3]])) or (kind == 'y' and wanted[words[1]])
    then
      return true
    end
  end
  return false
end

-- Whether the page may not be archived: it is gone, or a session maps or pins it.
local function in_use(page)
  local fields = redis.call('HGETALL', key.page(page))
  for i = 1, #fields, 2 do
    local kind, handle = string.sub(fields[i], 1, 1), string.sub(fields[i], 2)
    if kind == 'f' then return true end
    if kind == 'h' then handle = fields[i + 1] end
    if kind == 'h' or kind == '#' then
      local kept = redis.call('HGET', key.resident(handle), page)
      if (kept and words_of(kept)[2] ~= '-') or redis.call('HEXISTS', key.pinned(handle), page) == 1
      then
        return true
      end
    end
  end
  return #fields == 0
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
    local parent = op.kind == 'session' and op.forks
    if parent and not opened[parent] and not session_exists(parent) then
      return {'unknown', parent}
    elseif op.kind == 'session' then
      opened[op.session] = true
    elseif op.session and not opened[op.session] and not session_exists(op.session) then
      return {'unknown', op.session}
    elseif not op.session and not SESSIONLESS[op.kind] then
      return {'unknown', ''}
    elseif op.kind == 'collect' and not commit.replay
      and holds(op.page, cjson.decode(op.data .. '}').contents) then
      return {'conflict', op.page or ''}
    elseif op.kind == 'archive' and not commit.replay and in_use(op.page) then
      return {'conflict', op.page}
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
-- Writing a line

-- The kinds of lines that say what a session maps, pins and reads: MOVES of base/log.py.
local MOVES = {version = true, revert = true, pin = true, fault_in = true, demote = true,
  evict = true, supersede = true}

-- CALLS and LESSONS there.
local CALLS = {call = true, call_seen = true, binding_used = true, verdict = true,
  restore = true}
local LESSONS = {call = true, fix = true, promote = true, verdict = true, forget = true}

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
    if MOVES[op.kind] then redis.call('RPUSH', key.moves(line.session), line.position) end
    if CALLS[op.kind] then redis.call('RPUSH', key.calls(line.session), line.position) end
  end
  if LESSONS[op.kind] then redis.call('RPUSH', key.lessons, line.position) end
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

-- Whether a content is there byte by byte as the commit brings it.
local function is_same(id, commit, content)
  local first = ARGV[commit.at_argument + content.slot + 1]
  local kept = redis.call('GET', key.content(id))
  if kept ~= string.sub(first, 1, 1) .. string.format('%03d', content.chunks) .. string.sub(first, 2) then
    return false
  end
  for chunk = 1, content.chunks - 1 do
    local staged = key.staged(commit.token .. ':' .. content.slot .. ':' .. chunk)
    if redis.call('GET', staged) ~= redis.call('GET', key.chunk(id, chunk)) then return false end
  end
  return true
end

-- The content of equal bytes that another page holds, else a new one.
local function new_blob(draft, slot)
  if not draft.contents[slot] then
    local content = draft.commit.contents[slot + 1]
    local first = ARGV[draft.commit.at_argument + content.slot + 1]
    local held = redis.call('HGET', key.blobs, string.sub(first, 2, 17))
    if held and is_same(held, draft.commit, content) then draft.contents[slot] = held end
  end
  return new_content(draft, slot)
end

local function written_before(draft, op)
  local words = first_written(op.session, op.key)
  if not words then return false end
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
  return op.page_slot >= 0 and draft.duplicates[op.page_slot]
    or op.event_slot >= 0 and draft.duplicates[op.event_slot]
    or op.by_slot >= 0 and draft.duplicates[op.by_slot] or false
end

local fill = {}

function fill.id(draft, slot) return '"' .. new_id(draft, slot) .. '"' end

function fill.content(draft, slot) return new_content(draft, slot) end

function fill.blobs(draft, items)
  local filled = {}
  for i, item in ipairs(items) do
    filled[i] = item < 0 and new_blob(draft, -1 - item) or int(item)
  end
  return '[' .. table.concat(filled, ',') .. ']'
end

function fill.ids(draft, items)
  local filled = {}
  for i, item in ipairs(items) do
    filled[i] = type(item) == 'number' and fill.id(draft, item) or item
  end
  return '[' .. table.concat(filled, ',') .. ']'
end

function fill.position(draft) return int(draft.position + 1) end

function fill.version(draft, page)
  local latest = tonumber(redis.call('HGET', key.page(page), 'n') or 0)
  draft.versions[page] = int(latest + 1)
  return draft.versions[page]
end

function fill.binding(draft, handle)
  local last = tonumber(redis.call('HGET', key.session(handle), 'bindings') or 0)
  draft.bindings[#draft.bindings + 1] = int(last + 1)
  return int(last + 1)
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
  local row = redis.call('HMGET', key.session(op.forks or op.session), 'segment', 'turn')
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
    outcome.position, session_rows(outcome.handles), outcome.bindings}
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
    duplicates = {}, versions = {}, bindings = {}, touched = {}}
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
    bindings = draft.bindings,
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
