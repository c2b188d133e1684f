"""Snapshots of a session: named points of its log, going back to one, and forks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Generic, TypeVar

from ..base.errors import InvalidArgument, WriteConflict
from ..base.event import clean
from ..base.log import (
    HERE,
    Checkpointed,
    Evicted,
    FaultedIn,
    LogLine,
    Operation,
    Pinned,
    Restored,
    Reverted,
    SessionChanged,
    SessionOpened,
    Superseded,
    Unarchived,
    VersionAdded,
)
from ..base.page import Page
from ..paging.eviction import DEFAULT
from ..paging.past import Past, Place, head, kept, link, read_kept
from ..paging.resident import Mapped
from ..paging.working_set import WorkingSet
from ..residency import Residency
from ..stores.contract import Applied, Commit, Resident
from ..stores.pieces import lines
from .core import Memory
from .levels import at_level
from .lineage import lineage_of
from .mapping import placed
from .travel import at_position, at_version, moves

NAME = 64  # characters of a checkpoint's name
_TITLE = 200  # characters of a fork's title
_BITS = 50  # of a fork's handle
_NAMED = 10  # checkpoints that an error names
_ATTEMPTS = 8  # new plans for a session that others keep changing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A point that can be gone back to, with how many pages and tokens were mapped there.

    ``session``: where it was made, an ancestor's for one that a fork has taken along. ``policy``:
    the session's own eviction policy then, None for the operator's. ``payload``: the content that
    says how pages were mapped.
    """

    name: str
    position: int
    at: float
    turn: int
    pages: int
    tokens: int
    automatic: bool
    session: str
    policy: str | None = None
    obtained: str | None = None
    payload: int | None = None


@dataclass(frozen=True, slots=True)
class Restoration:
    """What going back to a checkpoint took. ``undo``: the checkpoint that was written first.

    ``reverted``: pages that read as an earlier version again; ``superseded``: pages in whose
    place another stands as it did then, None for none; ``forgotten`` and ``left_out``: pages
    mapped then that have been deleted since, or find no room in the budget as it is now.
    """

    checkpoint: Checkpoint
    mapped: int
    tokens: int
    released: tuple[str, ...]
    reverted: Mapping[str, int]
    forgotten: tuple[str, ...]
    left_out: tuple[str, ...]
    undo: str
    superseded: Mapping[str, str | None] = field(default_factory=dict)
    obtained: str | None = None


@dataclass(frozen=True, slots=True)
class Fork:
    """A new session that goes on from where this one stands."""

    session: str
    title: str | None
    pages: int
    tokens: int
    obtained: str | None = None


async def checkpoint(memory: Memory, seat: Residency, name: str | None) -> Checkpoint:
    """Name this point of the session, by default with the next free number.

    Raises:
        InvalidArgument: the name is too long, or the session has it already.
        WriteConflict: others kept changing the session.
    """
    wanted = _checked_name(name)

    async def plan() -> _Plan[Checkpoint]:
        known = await checkpoints(memory, seat)
        chosen = wanted or _free(known)
        if any(point.name == chosen for point in known):
            message = (
                f"name {chosen!r} is taken in this session. Choose another, or leave it out to get "
                f"a number; {_names(known)}"
            )
            raise InvalidArgument(message)
        mark = _mark(seat, chosen)
        residents = await memory.store.residents(seat.workspace, seat.row.id)
        return _Plan(
            [mark],
            lambda applied: _written(memory, seat, mark, applied),
            [_as_mapped(residents)],
        )

    async with seat.lock:
        return await _carry_out(memory, seat, plan)


async def checkpoints(memory: Memory, seat: Residency) -> list[Checkpoint]:
    """The session's checkpoints, and those of its ancestors before the fork, oldest first."""
    found = await memory.store.checkpoints(seat.workspace, seat.row.id)
    return [_checkpoint(line) for line in found]


async def restore(memory: Memory, seat: Residency, name: str | None) -> Restoration:
    """Go back to a checkpoint: pages are mapped, pinned and read as they were there.

    Versions that the session has written since stay in the pages' histories, and pages made since
    stay where they are; both are only released. A checkpoint is written first. Turns go on, so that
    timed pins and protection last as many more turns as they did then.

    Raises:
        InvalidArgument: the session has no checkpoint of that name.
        WriteConflict: others kept changing the session.
    """

    wanted = _checked_name(name)

    async def plan() -> _Plan[Restoration]:
        known = await checkpoints(memory, seat)
        point = next((point for point in known if point.name == wanted), None)
        if point is None:
            asked = "name is missing" if wanted is None else f"no checkpoint {wanted!r}"
            message = f"{asked}: give the name of one to go back to; {_names(known)}"
            raise InvalidArgument(message)
        return await _plan_restore(memory, seat, point, _free(known))

    async with seat.lock:
        done = await _carry_out(memory, seat, plan)
        await seat.reread()
        return done


async def fork(memory: Memory, seat: Residency, title: str | None) -> Fork:
    """Open a session that reads what this one reads now, and goes its own way from here.

    It costs one log line, and one for each page that is mapped: nothing is copied.

    Raises:
        InvalidArgument: the title is too long.
        WriteConflict: others kept changing the session.
    """
    if title is not None and len(title) > _TITLE:
        message = f"name has {len(title):,} characters: use at most {_TITLE} for a fork"
        raise InvalidArgument(message)
    title = clean(title) if title else None
    handle = memory.tools.ids.handle(_BITS)

    async def plan() -> _Plan[Fork]:
        pages, tokens = seat.set.pages(), seat.set.used
        opened = SessionOpened(session=handle, parent=seat.row.id, forked_at=HERE, title=title)
        operations = [opened, *(line for page in pages for line in _taken_along(handle, page))]
        return _Plan(
            operations,
            lambda applied: Fork(handle, title, len(pages), tokens, applied.obtained),
        )

    async with seat.lock:
        return await _carry_out(memory, seat, plan)


# Writing what was planned on the session as it is.


@dataclass(frozen=True, slots=True)
class _Plan(Generic[T]):
    """Lines to write, what to answer when they are written, and the contents that they name."""

    operations: Sequence[Operation]
    answer: Callable[[Applied], T]
    contents: Sequence[bytes] = ()


class _Overtaken(Exception):
    """The session is not what the plan was made on."""


async def _carry_out(memory: Memory, seat: Residency, plan: Callable[[], Awaitable[_Plan[T]]]) -> T:
    for _ in range(_ATTEMPTS):
        await seat.flush(memory.now())
        await seat.refresh()
        revision = seat.revision
        planned = await plan()
        commit = partial(_commit, memory=memory, revision=revision, planned=planned)
        try:
            applied = await seat.commit(commit)
        except _Overtaken:
            continue
        if applied is not None:
            return planned.answer(applied)
    message = f"session {seat.row.id} is being changed by others all the time. Try again"
    raise WriteConflict(message)


def _commit(seat: Residency, memory: Memory, revision: int, planned: _Plan[T]) -> Commit:
    if seat.revision != revision:
        raise _Overtaken
    return Commit(seat.workspace, memory.now(), "model", planned.operations, planned.contents)


# Checkpoints.


def _mark(seat: Residency, name: str, *, automatic: bool = False) -> Checkpointed:
    return Checkpointed(
        session=seat.row.id,
        name=name,
        pages=len(seat.set),
        tokens=seat.set.used,
        automatic=automatic,
        policy=seat.row.policy,
        payload=-1,
    )


def _as_mapped(residents: Sequence[Resident]) -> bytes:
    """The session's mapped pages and its pins, as the store has them."""
    places = {
        one.page_id: Place(one.version, one.level, one.tokens, one.protected_until)
        for one in residents
        if one.level is not None
    }
    return kept(places, {one.page_id: one.pinned_until for one in residents if one.pinned})


def _written(memory: Memory, seat: Residency, mark: Checkpointed, applied: Applied) -> Checkpoint:
    mark = replace(mark, payload=applied.contents[0])
    line = LogLine(applied.position, memory.now(), "model", seat.row.segment, seat.turn, mark)
    return replace(_checkpoint(line), obtained=applied.obtained)


def _checkpoint(line: LogLine) -> Checkpoint:
    mark = line.operation
    assert isinstance(mark, Checkpointed)
    return Checkpoint(
        mark.name,
        line.position,
        line.at,
        line.turn,
        mark.pages,
        mark.tokens,
        mark.automatic,
        str(mark.session),
        policy=mark.policy,
        payload=mark.payload,
    )


def _checked_name(name: str | None) -> str | None:
    name = clean(name).strip() if name is not None else ""
    if len(name) > NAME:
        message = f"name has {len(name):,} characters: use at most {NAME} for a checkpoint"
        raise InvalidArgument(message)
    return name or None


def _free(known: Sequence[Checkpoint]) -> str:
    """The next number that is no name yet."""
    names = {point.name for point in known}
    return next(name for name in map(str, count(len(known) + 1)) if name not in names)


def _names(known: Sequence[Checkpoint]) -> str:
    if not known:
        return "there is none yet: action checkpoint makes one"
    names = ", ".join(point.name for point in known[-_NAMED:])
    return f"the latest are {names}" if len(known) > _NAMED else f"there are {names}"


def _taken_along(handle: str, page: Mapped) -> Iterator[Operation]:
    """How a fork begins with a page of its parent's working set."""
    yield _mapping(handle, page)
    if page.pinned:
        yield Pinned(
            session=handle, page_id=page.page_id, pinned=True, until_turn=page.pinned_until
        )


def _mapping(handle: str, page: Mapped) -> FaultedIn:
    return FaultedIn(
        session=handle,
        page_id=page.page_id,
        version=page.version,
        level=page.level,
        tokens=page.tokens,
        reason="snapshot",
        protected_until=page.protected_until,
    )


# Going back.


async def _plan_restore(
    memory: Memory, seat: Residency, point: Checkpoint, undo: str
) -> _Plan[Restoration]:
    then = await _as_it_stood(memory, seat, point)
    changed, relinked = await _changed(memory, seat, point.position)
    named = list({**then.mapped, **then.pins} | dict.fromkeys([*changed, *relinked]))
    pages = await memory.store.pages(seat.workspace, named, seat.row.id)
    later = seat.turn - point.turn
    pins = {page: _shifted(until, later) for page, until in then.pins.items() if page in pages}
    wanted = [
        await _as_it_was(memory, seat, pages[page_id], place, pins, later)
        for page_id, place in then.mapped.items()
        if page_id in pages
    ]
    left_out = _without_room(seat, wanted)
    shown = {page.page_id: page for page in wanted if page.page_id not in left_out}
    reverted = await _reverted(memory, seat, point.position, then, changed, pages)
    links = await _links_then(memory, seat, point.position, then, relinked, pages)
    residents = await memory.store.residents(seat.workspace, seat.row.id)
    moved = list(_moves(seat.row.id, residents, shown, pins))
    operations: list[Operation] = [
        _mark(seat, undo, automatic=True),
        Restored(session=seat.row.id, name=point.name, to=point.position),
        *_policy_again(seat, point),
        *(
            Reverted(session=seat.row.id, page_id=page_id, version=version)
            for page_id, version in reverted.items()
        ),
        *(Superseded(session=seat.row.id, page_id=page_id, by=by) for page_id, by in links.items()),
        *moved,
    ]
    done = Restoration(
        point,
        len(shown),
        sum(page.tokens for page in shown.values()),
        tuple(line.page_id for line in moved if isinstance(line, Evicted)),
        reverted,
        tuple(page_id for page_id in then.mapped if page_id not in pages),
        left_out,
        undo,
        links,
    )
    return _Plan(
        operations,
        lambda applied: replace(done, obtained=applied.obtained),
        [_as_mapped(residents)],
    )


async def _as_it_stood(memory: Memory, seat: Residency, point: Checkpoint) -> Past:
    """What was mapped and pinned at a checkpoint: as it says, else as the lines before it say.

    One that came with an import, or of an earlier release, does not say.
    """
    if point.payload is not None:
        text = await memory.payload(seat.workspace, point.payload)
        if text is not None:
            return read_kept(text, point.position, point.turn)
    return await at_position(memory, seat, point.position)


def _policy_again(seat: Residency, point: Checkpoint) -> Iterator[Operation]:
    """The session's eviction policy as it was, where it has been changed since."""
    then, now = point.policy or DEFAULT, seat.row.policy or DEFAULT
    if then != now:
        yield SessionChanged(session=seat.row.id, policy=then)


async def _changed(memory: Memory, seat: Residency, position: int) -> tuple[set[str], set[str]]:
    """The pages of which the session has written, or gone back to, a version since; and those
    that it has linked to what supersedes them, or to themselves again.
    """
    changed: set[str] = set()
    relinked: set[str] = set()
    for branch in await lineage_of(memory, seat):
        async for line in moves(memory, seat, branch, position):
            if isinstance(line.operation, VersionAdded | Reverted):
                changed.add(line.operation.page_id)
            elif isinstance(line.operation, Superseded):
                relinked.add(line.operation.page_id)
    return changed, relinked


async def _links_then(
    memory: Memory,
    seat: Residency,
    position: int,
    then: Past,
    relinked: set[str],
    pages: Mapping[str, Page],
) -> dict[str, str | None]:
    """The pages that are superseded otherwise now than they were, with what they were then.

    As with versions: those that were mapped, and of the others what the session did.
    """
    lineage = [branch.until(position) for branch in await lineage_of(memory, seat)]
    mapped = then.mapped
    links: dict[str, str | None] = {}
    for page_id, page in pages.items():
        if page_id in relinked or (page_id in mapped and page.superseded_by):
            trail = [line async for line in lines(memory.store, seat.workspace, page_id=page_id)]
            named = [line.operation.by for line in trail if isinstance(line.operation, Superseded)]
            known = [by for by in named if by is not None]
            alive = await memory.store.pages(seat.workspace, known, seat.row.id)
            by = link(trail, lineage, alive)
            if by != next(iter(page.superseded_by), None):
                links[page_id] = by
    return links


async def _reverted(
    memory: Memory,
    seat: Residency,
    position: int,
    then: Past,
    changed: set[str],
    pages: Mapping[str, Page],
) -> dict[str, int]:
    """The pages that read otherwise now than they did, with the version that they had.

    Those that were mapped, whoever has written them since; of the others, what the session wrote.
    """
    lineage = [branch.until(position) for branch in await lineage_of(memory, seat)]
    mapped = then.mapped
    reverted: dict[str, int] = {}
    for page_id, page in pages.items():
        place = mapped.get(page_id)
        if page_id in changed or (place is not None and place.version != page.version):
            trail = [line async for line in lines(memory.store, seat.workspace, page_id=page_id)]
            version = head(trail, lineage)
            if version not in (None, page.version):
                reverted[page_id] = version
    return reverted


async def _as_it_was(
    memory: Memory,
    seat: Residency,
    page: Page,
    place: Place,
    pins: Mapping[str, int | None],
    later: int,
) -> Mapped:
    """The page as it was mapped; a level may have been worded anew since, and counts as it is."""
    page = await at_version(memory, seat, page, place.version)
    level, tokens = int(place.level or 0), place.tokens
    if level:
        shown = await at_level(memory, seat.workspace, page, level)
        level, tokens = shown.level, shown.tokens
    return replace(
        placed(page, level, tokens),
        protected_until=max(0, place.protected_until + later) if place.protected_until else 0,
        pinned=page.page_id in pins,
        pinned_until=pins.get(page.page_id),
    )


def _without_room(seat: Residency, wanted: Sequence[Mapped]) -> tuple[str, ...]:
    """Who finds no room in a budget that has become smaller."""
    there = WorkingSet(seat.set.budget, seat.set.policy, pages=wanted)
    there.begin_turn(seat.turn)
    return tuple(page.page_id for page in there.plan_fit())


def _moves(
    handle: str,
    residents: Sequence[Resident],
    wanted: Mapping[str, Mapped],
    pins: Mapping[str, int | None],
) -> Iterator[Evicted | FaultedIn | Pinned | Unarchived]:
    """From what is mapped and pinned to what is wanted, with no more lines than that takes."""
    now = {one.page_id: one for one in residents}
    mapped = {page_id for page_id, one in now.items() if one.level is not None}
    pinned = {page_id: one.pinned_until for page_id, one in now.items() if one.pinned}
    for page_id in pinned.keys() - pins.keys():
        yield Pinned(session=handle, page_id=page_id, pinned=False)
    for page_id in sorted(mapped - wanted.keys()):
        yield Evicted(session=handle, page_id=page_id, cause="restore")
    for page_id, page in wanted.items():
        known = now.get(page_id)
        was = known and (known.version, known.level, known.tokens)
        if was != (page.version, page.level, page.tokens):
            if page.archived:
                yield Unarchived(session=handle, page_id=page_id)
            yield _mapping(handle, page)
    for page_id, until in pins.items():
        if page_id not in pinned or pinned[page_id] != until:
            yield Pinned(session=handle, page_id=page_id, pinned=True, until_turn=until)


def _shifted(until: int | None, later: int) -> int | None:
    return None if until is None else until + later
