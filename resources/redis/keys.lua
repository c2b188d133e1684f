-- The data model: every key of a workspace, all under one hash tag, so that a workspace is one
-- slot of a cluster and one atomic step. KEYS[1] is the workspace's prefix, "pf:{tag}". The log is
-- the truth; all other keys but the contents and the counters are what folding its lines gives.
--
-- Beside the workspaces there are, for each principal, PREFIX:{p:DIGEST}:workspaces (a hash, id to
-- JSON), and PREFIX:principals (a sorted set): see stores/redis/registry.py.

local W = KEYS[1]

local key = {
  head = W .. ':head',          -- hash: position, content, indexable (the last of each), pages alive, archived
  counters = W .. ':counters',  -- hash: prefix of ids -> the last number given out
  log = W .. ':log',            -- stream: line n has the id n-0
  indexable = W .. ':indexable',-- list: positions of the lines that an index follows
  lessons = W .. ':lessons',    -- list: positions of the lines that calls of other tools taught
  active = W .. ':active',      -- sorted set: "number handle" of each session, by last activity
  blobs = W .. ':blobs',        -- hash: checksum of bytes that pages hold beside their text -> content
  handles = W .. ':handles',    -- sorted set, all scores 0: the handles in their order
  linked = W .. ':linked',      -- set: pages that were ever linked to what supersedes them
}

-- hash: the session's row; `number` is the position of the line that opened it
function key.session(handle) return W .. ':s:' .. handle end
-- list: positions of all its lines; of its events; of what it maps, pins and reads; of its calls
-- of other tools; of its checkpoints; ids of the pages made in it, by type
function key.lines(handle) return W .. ':sl:' .. handle end
function key.events(handle) return W .. ':se:' .. handle end
function key.moves(handle) return W .. ':sm:' .. handle end
function key.calls(handle) return W .. ':sa:' .. handle end
function key.checkpoints(handle) return W .. ':sc:' .. handle end
function key.home(handle, page_type) return W .. ':sp:' .. page_type .. ':' .. handle end
-- hash: idempotency key -> "event page position", either of the ids "-" where there is none
function key.written(handle) return W .. ':sk:' .. handle end
-- hash: page -> "version level tokens touched turn mapped_turn protected_until page_type importance
-- content role modality", level "-" when it was evicted; sorted set: those, by turn; hash: pinned page -> until
function key.resident(handle) return W .. ':sr:' .. handle end
function key.evicted(handle) return W .. ':sx:' .. handle end
function key.pinned(handle) return W .. ':si:' .. handle end

-- hash: `h` home session, `t` type, `o` role, `y` payload, `n` number of versions, `f` position of
-- its tombstone, `vN` "position content hint importance modality" of version N, `@` the head of the home
-- branch, `@HANDLE` that of another ("version", or "version position" where that was gone back to by
-- the line at the position), `^POSITION` the head before the one that the line there made, `rN.L` "content tokens origin" of level L of version
-- N, `b` contents that it holds beside its text, `x` contents of levels that were replaced, `#HANDLE` for another session in which it is, or
-- was, mapped or pinned, `s` the links of the home branch to what supersedes it, `s@HANDLE` those of
-- another ("position page position page …", the page "-" where it is read itself again), `a` position
-- of the line since which it is archived
function key.page(id) return W .. ':p:' .. id end
-- list: positions of its lines; set: pages that name it in derived_from
function key.trail(id) return W .. ':pl:' .. id end
function key.derived(id) return W .. ':pd:' .. id end

-- string: codec (1 byte), number of chunks (3 digits), checksum (16 bytes), bytes of the first
-- chunk; string: bytes of a further chunk
function key.content(id) return W .. ':c:' .. id end
function key.chunk(id, n) return W .. ':c:' .. id .. ':' .. n end
-- hash: `position` of the log that a fold of it is true of, `data` as a content has it
function key.folded(name) return W .. ':f:' .. name end
-- set: the pages that hold a content beside their text
function key.holders(content) return W .. ':b:' .. content end
-- string that expires: chunks of a commit that is not there yet; what came of a commit
function key.staged(token) return W .. ':u:' .. token end
function key.done(token) return W .. ':t:' .. token end

-- Whole numbers as text; Lua's own way turns large ones into 1e+15.
local function int(n) return string.format('%.0f', n) end

-- The words of a text that are separated by blanks.
local function words_of(text)
  local words = {}
  for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
  return words
end

-- The line of the log at a position, as the stream has it.
local function line_at(position)
  return redis.call('XRANGE', key.log, position .. '-0', position .. '-0')[1]
end

-- Of a version; one that was noted before its modality was has it in its line alone.
local function modality_of(version)
  if version[5] then return version[5] end
  local fields = line_at(version[1])[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'data' then return cjson.decode(fields[i + 1]).modality end
  end
end

-- The branches that a session reads: its own, then its ancestors', each with the last position that
-- counts of it.
local lineages = {}
local function lineage_of(handle)
  if lineages[handle] then return lineages[handle] end
  local found = {{handle = handle, upto = math.huge}}
  local row = redis.call('HMGET', key.session(handle), 'number', 'parent', 'forked_at')
  local exists = row[1]
  while row[2] and row[3] do
    found[#found + 1] = {handle = row[2], upto = tonumber(row[3])}
    row = redis.call('HMGET', key.session(row[2]), 'number', 'parent', 'forked_at')
  end
  if exists then lineages[handle] = found end  -- it never changes
  return found
end

-- The words that a session's lineage has noted under a key: event, page, position.
local function first_written(handle, written)
  for _, branch in ipairs(lineage_of(handle)) do
    local found = redis.call('HGET', key.written(branch.handle), written)
    local words = found and words_of(found)
    if words and tonumber(words[3] or 0) <= branch.upto then return words end
  end
end

-- A branch's head of a page at a position, back along what it was before.
local function branch_head(page, branch, upto)
  local head = redis.call('HGET', key.page(page), branch)
  while head do
    local words = words_of(head)
    if upto == math.huge then return words[1] end
    local since = words[2] or words_of(redis.call('HGET', key.page(page), 'v' .. words[1]))[1]
    if tonumber(since) <= upto then return words[1] end
    head = redis.call('HGET', key.page(page), '^' .. since)
  end
end

-- The version of a page that a session reads: the head of the nearest branch that has one, else
-- the home branch's.
local function head_of(page, handle)
  local lineage = lineage_of(handle)
  local home = #lineage > 1 and redis.call('HGET', key.page(page), 'h')
  for _, branch in ipairs(lineage) do
    local name = branch.handle == home and '@' or '@' .. branch.handle
    local version = branch_head(page, name, branch.upto)
    if version then return version end
  end
  return branch_head(page, '@', math.huge)
end

-- What supersedes a page by the last link of a branch up to a position, "-" for the page itself;
-- nil where none of its links counts.
local function branch_link(page, branch, upto)
  local links = redis.call('HGET', key.page(page), branch)
  local words = links and words_of(links) or {}
  for i = #words - 1, 1, -2 do
    local by = words[i + 1]
    local counts = by == '-' or redis.call('HEXISTS', key.page(by), 'f') == 0
    if counts and tonumber(words[i]) <= upto then return by end
  end
end

-- What a session reads in a page's place, nil for the page itself: by the nearest branch that says
-- so; the home branch speaks last for a page that the session's lineage did not make.
local function link_of(page, handle)
  if redis.call('SISMEMBER', key.linked, page) == 0 then return nil end
  local about = redis.call('HMGET', key.page(page), 'h', 'v1')
  local made, own = tonumber(words_of(about[2])[1]), false
  for _, branch in ipairs(lineage_of(handle)) do
    local is_home = branch.handle == about[1]
    own = own or (is_home and made <= branch.upto)
    local by = branch_link(page, is_home and 's' or 's@' .. branch.handle, branch.upto)
    if by then return by ~= '-' and by or nil end
  end
  local by = not own and branch_link(page, 's', math.huge)
  return by and by ~= '-' and by or nil
end

-- What supersedes a page, what supersedes that, and so on; a ring is gone round once.
local function superseded_by(page, handle)
  local found, seen, by = {}, {[page] = true}, link_of(page, handle)
  while by and not seen[by] do
    found[#found + 1] = by
    seen[by] = true
    by = link_of(by, handle)
  end
  return found
end
