-- Questions, each answered from one moment. ARGV[1] names the question, the rest are its arguments;
-- stores/redis/reading.py asks them and says what the answers are.

local BATCH = 256          -- of a list, while a walk looks for those that it wants
local LOOKED_FOR = 2048    -- contents that may be gone, in one answer
local MOVED = 8192         -- bytes that moving a page inside an index counts as
local MOVES = {archive = true, unarchive = true}
local READ_AHEAD = 65536   -- bytes of a page's content that are sent along with it

local ask = {}

local function rest(from)
  local list = {}
  for i = from, #ARGV do list[#list + 1] = ARGV[i] end
  return list
end

--------------------------------------------------------------------------------------------------
-- Sessions

function ask.session(handle)
  return redis.call('HGETALL', key.session(handle))
end

local function handle_of(member) return string.sub(member, 14) end

-- The number of each branch that a session reads, with the last position that counts of it.
function ask.lineage(handle)
  local found = {}
  for i, branch in ipairs(lineage_of(handle)) do
    local number = redis.call('HGET', key.session(branch.handle), 'number')
    found[i] = {number or '', branch.upto == math.huge and '' or int(branch.upto)}
  end
  return found
end

function ask.sessions(limit)
  local rows = {}
  for _, member in ipairs(redis.call('ZREVRANGE', key.active, 0, limit - 1)) do
    local handle = handle_of(member)
    rows[#rows + 1] = {handle, ask.session(handle)}
  end
  return rows
end

function ask.residents(handle)
  local kept, superseded = redis.call('HGETALL', key.resident(handle)), {}
  for i = 1, redis.call('EXISTS', key.linked) == 1 and #kept or 0, 2 do
    if #superseded_by(kept[i], handle) > 0 then superseded[#superseded + 1] = kept[i] end
  end
  return {kept, redis.call('HGETALL', key.pinned(handle)), superseded}
end

-- Handles that begin with a prefix: of the latest sessions the latest first, then any others.
function ask.handles_like(prefix, limit)
  local found, seen = {}, {}
  limit = tonumber(limit)
  local function take(handle)
    if #found < limit and not seen[handle] and string.sub(handle, 1, #prefix) == prefix then
      seen[handle] = true
      found[#found + 1] = handle
    end
  end
  for _, member in ipairs(redis.call('ZREVRANGE', key.active, 0, BATCH - 1)) do
    take(handle_of(member))
  end
  local others = redis.call('ZRANGEBYLEX', key.handles, '[' .. prefix, '(' .. prefix .. '\255',
    'LIMIT', 0, limit)
  for _, handle in ipairs(others) do take(handle) end
  return found
end

--------------------------------------------------------------------------------------------------
-- Pages

local function version_words(page, version)
  local made = redis.call('HGET', key.page(page), 'v' .. version)
  return made and words_of(made)
end

-- home, position of the tombstone, version, the page's first line, the line of the version, what
-- supersedes the page, since when it is archived
local function page_as_read(page, handle)
  local about = redis.call('HMGET', key.page(page), 'h', 'f', 'a')
  if not about[1] then return false end
  local version = head_of(page, handle)
  local first = line_at(version_words(page, '1')[1])
  local line = version == '1' and '' or line_at(version_words(page, version)[1])
  return {about[1], about[2] or '', version, first, line, superseded_by(page, handle), about[3] or ''}
end

-- Pages, each with what supersedes it; the others are left out.
function ask.superseded(handle, ...)
  local found = {}
  for _, page in ipairs(redis.call('EXISTS', key.linked) == 1 and {...} or {}) do
    local chain = superseded_by(page, handle)
    if #chain > 0 then found[#found + 1] = {page, chain} end
  end
  return found
end

function ask.pages(handle, ...)
  local found = {}
  for _, page in ipairs({...}) do
    found[#found + 1] = page_as_read(page, handle) or ''
  end
  return found
end

-- A page by id or by key, with what a reader asks for next: the levels kept beside it, and its
-- content where that is not large.
function ask.page(handle, name)
  if redis.call('EXISTS', key.page(name)) == 0 then
    local written = first_written(handle, name)
    if not written then return '' end
    name = written[2]
  end
  local found = page_as_read(name, handle)
  if not found then return '' end
  local content = key.content(version_words(name, found[3])[2])
  local small = redis.call('STRLEN', content) <= READ_AHEAD
  found[8] = ask.levels(name, found[3])
  found[9] = small and redis.call('GET', content) or ''
  return found
end

function ask.page_of_key(handle, written)
  local found = first_written(handle, written)
  return found and found[2] or '-'
end

-- The index of the first of a list's ascending entries whose number is above `after`; the number of
-- an entry is what `number_of` makes of it, or itself.
local function first_above(list, after, number_of)
  local low, high = 0, redis.call('LLEN', list)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = redis.call('LINDEX', list, middle)
    if tonumber(number_of and number_of(entry) or entry) > after then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

-- Adds pages of a list to those found, from its end or the last made by a position, until `limit`
-- of them are wanted.
local function latest(list, made_by, found, limit, wanted)
  local upto = redis.call('LLEN', list) - 1
  if made_by ~= math.huge then
    upto = first_above(list, made_by, function(page) return version_words(page, '1')[1] end) - 1
  end
  while upto >= 0 and #found < limit do
    local pages = redis.call('LRANGE', list, math.max(0, upto - BATCH + 1), upto)
    for i = #pages, 1, -1 do
      if #found < limit and wanted(pages[i]) then found[#found + 1] = pages[i] end
    end
    upto = upto - BATCH
  end
end

local function is_alive(page) return redis.call('HEXISTS', key.page(page), 'f') == 0 end

local function is_archived(page) return redis.call('HEXISTS', key.page(page), 'a') == 1 end

local function is_mapped(page, handle)
  local kept = redis.call('HGET', key.resident(handle), page)
  return kept and words_of(kept)[2] ~= '-'
end

-- The latest pages of each of the types, each type newest first.
function ask.recent(handle, limit, unmapped, ...)
  local found = {}
  for _, page_type in ipairs({...}) do
    local pages = {}
    for _, branch in ipairs(lineage_of(handle)) do
      local list = key.home(branch.handle, page_type)
      latest(list, branch.upto, pages, tonumber(limit), function(page)
        return is_alive(page)
          and not (unmapped == '1' and (is_mapped(page, handle) or is_archived(page)))
      end)
    end
    for _, page in ipairs(pages) do found[#found + 1] = page_as_read(page, handle) end
  end
  return found
end

function ask.versions(page)
  local lines = {}
  for version = 1, tonumber(redis.call('HGET', key.page(page), 'n') or 0) do
    lines[version] = line_at(version_words(page, version)[1])
  end
  return lines
end

function ask.levels(page, version)
  local found, fields = {}, redis.call('HGETALL', key.page(page))
  local wanted = 'r' .. version .. '.'
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, #wanted) == wanted then
      found[#found + 1] = {string.sub(fields[i], #wanted + 1), fields[i + 1]}
    end
  end
  return found
end

function ask.derived(page)
  local seen, found, open = {}, {}, {page}
  while #open > 0 do
    for _, below in ipairs(redis.call('SMEMBERS', key.derived(table.remove(open)))) do
      if not seen[below] then
        seen[below] = true
        open[#open + 1] = below
        if is_alive(below) then found[#found + 1] = below end
      end
    end
  end
  return found
end

-- Which of the pages are alive, with the position of their first line.
function ask.alive(...)
  local found = {}
  for _, page in ipairs({...}) do
    local about = redis.call('HMGET', key.page(page), 'v1', 'f')
    if about[1] and not about[2] then found[#found + 1] = {page, words_of(about[1])[1]} end
  end
  return found
end

--------------------------------------------------------------------------------------------------
-- Contents and the log

function ask.content(id)
  return redis.call('GET', key.content(id)) or ''
end

function ask.chunk(id, number)
  return redis.call('GET', key.chunk(id, number)) or ''
end

-- Contents above an id, ascending, until there are so many, they are so large, or so many are gone;
-- with the id that this has led to, and the last there is.
function ask.contents(after, limit, bytes)
  local last = tonumber(redis.call('HGET', key.head, 'content') or 0)
  local found, size, id = {}, 0, tonumber(after)
  local furthest = math.min(last, id + LOOKED_FOR)
  while id < furthest and #found < tonumber(limit) and size < tonumber(bytes) do
    id = id + 1
    local kept = redis.call('GET', key.content(int(id)))
    if kept then
      found[#found + 1] = {int(id), kept}
      size = size + #kept
    end
  end
  return {int(id), int(last), found}
end

-- Contents above an id, ascending, with the bytes that each takes; with the id that this has led to,
-- and the last there is.
function ask.sizes(after, limit)
  local last = tonumber(redis.call('HGET', key.head, 'content') or 0)
  local found, id = {}, tonumber(after)
  local furthest = math.min(last, id + LOOKED_FOR)
  while id < furthest and #found < tonumber(limit) do
    id = id + 1
    local content = key.content(int(id))
    local size = redis.call('STRLEN', content)
    if size > 0 then
      local chunks = tonumber(redis.call('GETRANGE', content, 1, 3)) or 1
      for chunk = 1, chunks - 1 do
        size = size + redis.call('STRLEN', key.chunk(int(id), chunk))
      end
      found[#found + 1] = {int(id), int(size)}
    end
  end
  return {int(id), int(last), found}
end

function ask.log(after, limit)
  return redis.call('XRANGE', key.log, '(' .. after .. '-0', '+', 'COUNT', limit)
end

local function positions(list, after, limit)
  if tonumber(limit) <= 0 then return {} end
  local first = first_above(list, tonumber(after))
  local last = limit == math.huge and -1 or first + limit - 1
  return redis.call('LRANGE', list, int(first), int(last))
end

local function lines(list, after, limit)
  local found = {}
  for i, position in ipairs(positions(list, after, limit)) do found[i] = line_at(position) end
  return found
end

-- Lines of the lists that a lineage has by a name, in order: each branch's come after those of its
-- ancestors.
local function lines_of_lineage(list_of, handle, after, limit)
  local found, lineage = {}, lineage_of(handle)
  for i = #lineage, 1, -1 do
    for _, position in ipairs(positions(list_of(lineage[i].handle), after, limit - #found)) do
      if tonumber(position) > lineage[i].upto then break end
      found[#found + 1] = line_at(position)
    end
  end
  return found
end

function ask.events(handle, after, limit)
  return lines_of_lineage(key.events, handle, after, tonumber(limit))
end

function ask.checkpoints(handle)
  return lines_of_lineage(key.checkpoints, handle, 0, math.huge)
end

function ask.moves(handle, after, limit) return lines(key.moves(handle), after, limit) end

function ask.calls(handle, after, limit)
  return lines_of_lineage(key.calls, handle, after, tonumber(limit))
end

function ask.lessons(after, limit) return lines(key.lessons, after, tonumber(limit)) end

function ask.folded(name)
  return redis.call('HMGET', key.folded(name), 'position', 'data')
end

function ask.session_log(handle, after, limit) return lines(key.lines(handle), after, limit) end

function ask.page_log(page, after, limit) return lines(key.trail(page), after, limit) end

function ask.totals()
  local head = redis.call('HMGET', key.head, 'position', 'content', 'indexable', 'pages', 'archived')
  for i = 1, 5 do head[i] = head[i] or '0' end
  return {head[1], head[2], head[3], head[4], int(redis.call('ZCARD', key.handles)), head[5]}
end

function ask.counters()
  return redis.call('HGETALL', key.counters)
end

--------------------------------------------------------------------------------------------------
-- What an index needs of the log

local function text_of(id)
  return id ~= '-' and redis.call('GET', key.content(id)) or ''
end

local function field_of(line, name)
  for i = 1, #line[2], 2 do
    if line[2][i] == name then return line[2][i + 1] end
  end
end

-- A line with the page's first line, the number of its session, its content and hint, each with its
-- id, the line that had made the version it goes back to, and whether the page is archived by now;
-- nothing for a page that was forgotten.
local function indexed(line)
  local page, handle = field_of(line, 'page'), field_of(line, 'session')
  if not is_alive(page) then return false end
  local first = version_words(page, '1')[1]
  local own = line[1] == first .. '-0'
  local data = cjson.decode(field_of(line, 'data'))
  local again = ''
  if field_of(line, 'kind') == 'revert' then
    again = line_at(version_words(page, int(data.version))[1])
    data = cjson.decode(field_of(again, 'data'))
  end
  local content, hint = int(data.content), data.hint and int(data.hint) or '-'
  return {line, own and '' or line_at(first), redis.call('HGET', key.session(handle), 'number'),
    content, text_of(content), hint, text_of(hint), again, is_archived(page) and 1 or 0}
end

-- What follows a position: where that has led, the last position to follow, pages that were
-- forgotten, what is to be indexed, until there are so many or they are so large; whether any page
-- was ever superseded; and pages that were archived, or no longer, with whether they are by now.
function ask.follow(after, limit, bytes)
  local head = redis.call('HMGET', key.head, 'indexable', 'position')
  local reached, size, forgotten, found, moved = tonumber(after), 0, {}, {}, {}
  local ahead = positions(key.indexable, after, tonumber(limit))
  for i, position in ipairs(ahead) do
    if size >= tonumber(bytes) then break end
    local line = line_at(position)
    if field_of(line, 'kind') == 'forget' then
      forgotten[#forgotten + 1] = field_of(line, 'page')
    elseif MOVES[field_of(line, 'kind')] then
      local page = field_of(line, 'page')
      if is_alive(page) then moved[#moved + 1] = {page, is_archived(page) and 1 or 0} end
      size = size + MOVED
    else
      local entry = indexed(line)
      if entry then
        found[#found + 1] = entry
        size = size + #entry[5] + #entry[7]
      end
    end
    reached = tonumber(position)
  end
  return {int(reached), head[1] or '0', head[2] or '0', forgotten, found,
    redis.call('EXISTS', key.linked), moved}
end

return ask[ARGV[1]](unpack(rest(2)))
