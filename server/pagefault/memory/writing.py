"""Writing a page: a new one, a new version, or a model's own words for a level of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..base.errors import InvalidArgument, PageForgotten, PageNotFound, WriteConflict
from ..base.event import KEY_LENGTH, NAME_LENGTH, clean
from ..base.event import page_of as page_of_content
from ..base.log import (
    Operation,
    PageAdded,
    Represented,
    SessionOpened,
    Superseded,
    VersionAdded,
)
from ..base.page import PAGE_TYPES, PREFIXES, Level, Page
from ..paging.pictures import blob_tokens
from ..paging.resident import Mapped
from ..residency import Residency
from ..stores.contract import Applied, Commit, Conflict
from .core import Memory
from .faulting import find_page
from .levels import MODEL, fullest, kept_levels
from .mapping import Yielded, admit, page_of, placed, revised
from .media import kept_beside
from .renewing import put_out, renew
from .vetting import kept_out, notes_of, standing_of, vetted

_RECORDINGS = ("audio", "video")
_ATTEMPTS = 8  # new plans for a page that others keep writing


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What is to be written, and how. ``content`` is text or any JSON value.

    ``modality``: of what a text is the transcript, audio or video.
    """

    content: object
    page_type: str = "claim"
    hint: str | None = None
    importance: float | None = None
    derived_from: Sequence[str] = ()
    page_id: str | None = None
    represents: str | None = None
    level: int | None = None
    key: str | None = None
    name: str | None = None
    modality: str | None = None
    supersedes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """Where it is now. ``tokens`` counts what was written, ``obtained`` is the store's word.

    ``flagged``: why it is not mapped until it is asked for by its id.
    """

    page_id: str
    version: int
    tokens: int
    duplicate: bool = False
    yielded: Yielded = field(default_factory=Yielded)
    level: int | None = None
    obtained: str | None = None
    flagged: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Draft:
    """What every kind of writing needs: the bytes, their count, how far they can be trusted."""

    contents: tuple[bytes, ...]
    text: str
    modality: str
    tokens: int
    trust: int
    flagged: str | None
    hint: int | None
    blobs: tuple[int, ...]
    supersedes: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.contents[: 1 + len(self.blobs)]))


async def write(memory: Memory, seat: Residency, request: WriteRequest) -> Written:
    """Keep the page durably and map it.

    Raises:
        InvalidArgument: with the argument, its value, the rule and what to do.
        PageNotFound, PageForgotten: a page that the request names is not there.
        WriteConflict: others kept writing the same page.
        SecretRefused: it holds a secret, and the operator lets none in.
    """
    _check(request)
    request, found = _vetted(memory, request)
    written = await _write(memory, seat, request)
    said = () if written.duplicate else notes_of(found, memory.settings.secrets)
    if written.flagged is not None:
        said = (*said, kept_out([written.page_id], written.flagged))
    return replace(written, notes=said)


def _vetted(memory: Memory, request: WriteRequest) -> tuple[WriteRequest, tuple[str, ...]]:
    given = {"content": request.content, "hint": request.hint}
    kept, found = vetted(given, "", memory.settings.secrets)
    return replace(request, content=kept["content"], hint=kept["hint"]), found


async def _write(memory: Memory, seat: Residency, request: WriteRequest) -> Written:
    draft = await _draft(memory, seat, request)
    if request.represents is not None:
        return await _represent(memory, seat, request, draft)
    if request.page_id is not None:
        return await _version(memory, seat, request, draft)
    return await _page(memory, seat, request, draft)


def map_new(seat: Residency, pages: Sequence[tuple[Mapped, Mapped | None]]) -> Yielded:
    """Map pages that were just written, each at the level that fits; who yielded for them.

    Each comes as it is at level 0, and at the level that fits where that does not.
    """
    yielded = Yielded()

    def decide(seat: Residency) -> list[Operation]:
        lines: list[Operation] = []
        yielded.evicted.clear()
        yielded.demoted.clear()
        for full, small in pages:
            fits = full.tokens <= seat.set.room(full.page_id)
            admission, more = admit(seat, full if fits else (small or full), "recorded")
            lines.extend(more)
            yielded.add(admission)
        return lines

    seat.decide(decide)
    return yielded


async def mapped_forms(memory: Memory, seat: Residency, page: Page) -> tuple[Mapped, Mapped | None]:
    """A new page as `map_new` wants it; levels are computed only where level 0 does not fit."""
    full = placed(page, Level.FULL, page.tokens)
    room = seat.set.room(page.page_id)
    if page.tokens <= room:
        return full, None
    try:
        kept = await find_page(memory, seat, page.page_id)
    except PageForgotten:
        return full, None
    small = await fullest(memory, seat.workspace, kept, room)
    return full, None if small is None else placed(page, small.level, small.tokens)


async def _draft(memory: Memory, seat: Residency, request: WriteRequest) -> _Draft:
    text, modality, media = page_of_content(request.content, "content")
    text = text or ""
    modality = _modality(request, modality)
    beside = kept_beside(media)
    contents = [text.encode(), *beside]
    if request.hint:
        contents.append(clean(request.hint).encode())
    tokenizer = await memory.tokenizer(seat.workspace)
    trust, flagged = standing_of("model", text, request.hint)
    return _Draft(
        tuple(contents),
        text,
        modality,
        tokenizer.count(text) + (blob_tokens(media.blobs) if media else 0),
        min([trust, *await _trusts(memory, seat, request)]),
        flagged,
        -len(contents) if request.hint else None,
        tuple(-2 - index for index in range(len(beside))),
        await _supersedes(memory, seat, request),
    )


async def _trusts(memory: Memory, seat: Residency, request: WriteRequest) -> list[int]:
    """How far what it was derived from can be trusted: a model's word is worth no more."""
    sources = list(request.derived_from)
    found = await memory.store.pages(seat.workspace, sources, seat.row.id) if sources else {}
    missing = [source for source in sources if source not in found]
    if missing:
        raise PageNotFound(missing[0])
    return [page.trust for page in found.values()]


async def _supersedes(memory: Memory, seat: Residency, request: WriteRequest) -> tuple[str, ...]:
    """The pages that the written one is to stand in the place of, each once."""
    names = list(dict.fromkeys(request.supersedes))
    pages = await memory.store.pages(seat.workspace, names, seat.row.id) if names else {}
    found = [
        pages.get(name) or await find_page(memory, seat, name)  # by its key, or not at all
        for name in names
    ]
    return tuple(dict.fromkeys(page.page_id for page in found))


def _links(seat: Residency, draft: _Draft, by: str) -> list[Operation]:
    return [Superseded(session=seat.row.id, page_id=page_id, by=by) for page_id in draft.supersedes]


def _check_links(page: Page, draft: _Draft) -> None:
    """A page with its own past can stand in another's place, but not in a ring.

    Raises:
        InvalidArgument: it would supersede itself.
    """
    for name in draft.supersedes:
        if name == page.page_id:
            message = (
                f"supersedes names {name} itself: its new version takes the old one's place "
                "without that. Leave it out"
            )
            raise InvalidArgument(message)
        if name in page.superseded_by:
            message = (
                f"supersedes names {name}, which supersedes {page.page_id} already: the two would "
                "stand in each other's place. Write a new page that supersedes both"
            )
            raise InvalidArgument(message)


async def _page(memory: Memory, seat: Residency, request: WriteRequest, draft: _Draft) -> Written:
    added = PageAdded(
        session=seat.row.id,
        page_id="+0",
        page_type=request.page_type,
        modality=draft.modality,
        content=-1,
        hint=draft.hint,
        tokens=draft.tokens,
        size=draft.size,
        source="model",
        trust=int(draft.trust),
        importance=0.5 if request.importance is None else request.importance,
        key=request.key,
        name=request.name,
        derived_from=tuple(request.derived_from),
        blobs=draft.blobs,
        flagged=draft.flagged,
    )
    operations = [added, *_links(seat, draft, added.page_id)]
    commit = _commit(memory, seat, draft, operations, new=(PREFIXES[request.page_type],))
    applied = await memory.apply(commit)
    if applied.duplicates:
        return await _first(memory, seat, applied.ids[0])
    page = page_of(added, applied.ids[0])
    return await _map(memory, seat, page, draft, applied)


async def _version(
    memory: Memory, seat: Residency, request: WriteRequest, draft: _Draft
) -> Written:
    for _ in range(_ATTEMPTS):
        page = await find_page(memory, seat, str(request.page_id))
        first = await _written_under(memory, seat, request.key)
        if first is not None:
            return await _first(memory, seat, first)
        _check_links(page, draft)
        added = VersionAdded(
            session=seat.row.id,
            page_id=page.page_id,
            version=0,
            parent=page.version,
            modality=draft.modality,
            content=-1,
            hint=draft.hint if draft.hint is not None else page.hint,
            tokens=draft.tokens,
            size=draft.size,
            source="model",
            trust=int(draft.trust),
            importance=page.importance if request.importance is None else request.importance,
            key=request.key,
            derived_from=tuple(request.derived_from),
            blobs=draft.blobs,
            flagged=draft.flagged,
        )
        heads = {(seat.row.id, page.page_id): page.version}
        operations = [added, *_links(seat, draft, page.page_id)]
        commit = _commit(memory, seat, draft, operations, heads=heads)
        answer = await memory.store.apply(commit)
        if not isinstance(answer, Conflict):
            now = revised(page, added, answer)
            return await _map(memory, seat, now, draft, answer)
    message = f"{request.page_id} is being written by others all the time. Read it and try again"
    raise WriteConflict(message)


async def _represent(
    memory: Memory, seat: Residency, request: WriteRequest, draft: _Draft
) -> Written:
    if draft.supersedes:
        message = (
            "supersedes goes with a page, and this is another form of one: leave out represents "
            "and level, or supersedes"
        )
        raise InvalidArgument(message)
    if draft.blobs:
        message = "content holds an image or recording: what you write for a level is text"
        raise InvalidArgument(message)
    page = await find_page(memory, seat, str(request.represents))
    if draft.flagged is not None:
        message = (
            f"the text for level {request.level} of {page.page_id} {draft.flagged}, and would be "
            "shown in the page's place. Say what the page says, or quote it"
        )
        raise InvalidArgument(message)
    await _check_size(memory, seat, request, page, draft)
    line = Represented(
        session=seat.row.id,
        page_id=page.page_id,
        version=page.version,
        level=int(request.level or 0),
        origin="model",
        content=-1,
        tokens=draft.tokens,
    )
    applied = await memory.apply(_commit(memory, seat, draft, [line]))
    async with seat.lock:
        seat.set.learned.forms.forget(page.page_id)
        known = seat.set.get(page.page_id)
        if known is not None and known.version == page.version:
            await renew(memory, seat, known, page)
    return Written(
        page.page_id,
        page.version,
        draft.tokens,
        level=request.level,
        obtained=applied.obtained,
    )


async def _check_size(
    memory: Memory, seat: Residency, request: WriteRequest, page: Page, draft: _Draft
) -> None:
    """A level has to be smaller than those above it that a model wrote, larger than those below.

    Raises:
        InvalidArgument: it is not, with the level that says so.
    """
    kept = await kept_levels(memory, seat.workspace, page)
    written = {level: size for level, (origin, _, size) in kept.items() if origin == MODEL}
    sizes = {int(Level.FULL): page.tokens} | written  # what was computed makes way
    level = int(request.level or 0)
    for other, size in sizes.items():
        if (other < level and size <= draft.tokens) or (other > level and size >= draft.tokens):
            rule = "smaller than the one above" if other < level else "larger than the one below"
            message = (
                f"the text for level {level} of {page.page_id} has {draft.tokens} tokens, level "
                f"{other} has {size}: each level is {rule}. Write a text of another length"
            )
            raise InvalidArgument(message)


async def _written_under(memory: Memory, seat: Residency, key: str | None) -> str | None:
    if key is None:
        return None
    return await memory.store.page_of_key(seat.workspace, seat.row.id, key)


async def _map(
    memory: Memory,
    seat: Residency,
    page: Page,
    draft: _Draft,
    applied: Applied,
) -> Written:
    async with seat.lock:
        seat.saw(applied.sessions[seat.row.id])
        yielded = Yielded()
        for superseded in draft.supersedes:
            seat.set.supersede(superseded, superseded=True)
        if not put_out(seat, page):
            yielded = map_new(seat, [await mapped_forms(memory, seat, page)])
    return Written(
        page.page_id,
        page.version,
        draft.tokens,
        yielded=yielded,
        obtained=applied.obtained,
        flagged=page.flagged,
    )


async def _first(memory: Memory, seat: Residency, page_id: str) -> Written:
    page = await find_page(memory, seat, page_id)
    return Written(page.page_id, page.version, page.tokens, duplicate=True)


def _commit(
    memory: Memory,
    seat: Residency,
    draft: _Draft,
    operations: Sequence[Operation],
    *,
    new: Sequence[str] = (),
    heads: Mapping[tuple[str, str], int] | None = None,
) -> Commit:
    return Commit(
        seat.workspace,
        memory.now(),
        "model",
        [SessionOpened(session=seat.row.id), *operations],
        draft.contents,
        new,
        heads=heads or {},
    )


def _modality(request: WriteRequest, found: str) -> str:
    """What the content is of: its own kind, unless it is the transcript of something.

    Raises:
        InvalidArgument: it is of another kind, or transcripts are of no such thing.
    """
    if request.modality not in (None, found, *_RECORDINGS):
        message = (
            f"modality is {str(request.modality)[:40]!r}: use {' or '.join(_RECORDINGS)} for a "
            "transcript, and leave it out otherwise"
        )
        raise InvalidArgument(message)
    if request.modality is None or found in ("text", "structured", request.modality):
        return request.modality or found
    message = f"modality is {request.modality}, the content is of {found}: leave modality out"
    raise InvalidArgument(message)


def _check(request: WriteRequest) -> None:
    if request.content in ("", None):
        message = "content is empty: write the text or JSON value that is to be kept"
        raise InvalidArgument(message)
    if request.page_type not in PAGE_TYPES:
        message = f"page_type is {request.page_type[:40]!r}: use one of {', '.join(PAGE_TYPES)}"
        raise InvalidArgument(message)
    if request.importance is not None and not 0 <= request.importance <= 1:
        message = f"importance is {request.importance}: give a number from 0 to 1"
        raise InvalidArgument(message)
    if request.name is not None and len(request.name) > NAME_LENGTH:
        message = f"name has {len(request.name)} characters: use at most {NAME_LENGTH}"
        raise InvalidArgument(message)
    if request.key is not None and not 0 < len(request.key) <= KEY_LENGTH:
        message = f"key has {len(request.key)} characters: use 1 to {KEY_LENGTH}"
        raise InvalidArgument(message)
    if (request.represents is None) != (request.level is None):
        message = "represents and level go together: the page, and which of its levels this is"
        raise InvalidArgument(message)
    if request.level is not None and request.level not in (1, 2, 3):
        message = f"level is {request.level}: a model may write level 1, 2 or 3 of a page"
        raise InvalidArgument(message)
