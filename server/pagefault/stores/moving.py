"""Everything of one store into another, in pieces, compared line by line and byte by byte.

The target needs nothing but the contract, nor does the source. What was interrupted is gone on
with: whatever part of a log the target has is compared, and the rest is appended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..base.errors import InvalidArgument, PagefaultError, StoreDamaged, WorkspaceNotFound
from ..base.exported import contents_of
from ..base.log import Collected, Forgotten, LogLine
from .contract import Store, Workspace, WorkspaceRequest
from .pieces import LINES, Shelf, agreed, append, lines, read, single

_ROUNDS = 10  # in which the source may stand still for one comparison
_STEP = 64  # contents compared between two words of progress
_COUNTS = ("sessions", "pages", "contents", "lines")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the move of one workspace has come: ``done`` of ``total`` of ``what``."""

    workspace: Workspace
    what: str
    done: int
    total: int


Tell = Callable[[Progress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Lost:
    """A content that the source cannot read any more, and a page that it belonged to."""

    content: int
    page_id: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a workspace, as it is called at the source and at the target.

    ``position``: the last log line that both have; ``brought``: how many of them came now;
    ``contents``: how many are byte by byte the same; ``equal``: both stores gave the same answers
    while nobody wrote. False: the source went on all the time, and a further run brings the rest.
    """

    source: Workspace
    target: Workspace
    position: int
    brought: int
    contents: int
    lost: tuple[Lost, ...]
    equal: bool


async def untold(_: Progress) -> None:
    """For those who do not want to hear of progress."""


async def move(
    source: Store,
    target: Store,
    *,
    progress: Tell = untold,
    only: str | None = None,
    names: tuple[str, str] = ("the source", "the target"),
) -> list[Moved]:
    """Bring every workspace of every principal, or those with the id ``only``, to the target.

    All are looked at before the first is written. What is written at the source meanwhile comes
    along, as does its forgetting. ``names``: what the stores are called in errors.

    Raises:
        InvalidArgument: a workspace at the target is another one than at the source.
        WorkspaceNotFound: no workspace has the id ``only``.
        StoreDamaged: what has arrived is not what was sent.
        StoreError: what one of the stores did; go on by moving again.
    """
    route = _Route(source, target, names, progress)
    movers: dict[tuple[str, str], _Mover] = {}
    while new := [w for w in await _places(route, only) if (w.principal, w.id) not in movers]:
        started = {place: await _started(route, place) for place in new}
        for place, position in started.items():
            mover = _Mover(route, place, await _counterpart(route, place), position)
            movers[place.principal, place.id] = mover
            await mover.settle()
    for mover in movers.values():  # what came while the others were moved
        await mover.settle()
    return [mover.outcome() for mover in movers.values()]


@dataclass(frozen=True, slots=True)
class _Route:
    """From which store into which, what people call them, and whom to tell of progress."""

    source: Store
    target: Store
    names: tuple[str, str]
    tell: Tell


async def _places(route: _Route, only: str | None) -> list[Workspace]:
    principals = await route.source.principals()
    all_ = [place for name in principals for place in await route.source.workspaces(name)]
    wanted = [place for place in all_ if only in (None, place.id)]
    if only is not None and not wanted:
        there = ", ".join(sorted({place.id for place in all_})) or "none"
        message = f"{route.names[0]} has no workspace {only!r}. It has: {there}"
        raise WorkspaceNotFound(message)
    return wanted


# Which workspace of the target it is.


async def _started(route: _Route, place: Workspace) -> int:
    """The position up to which the target has the workspace's log; nothing is written.

    Raises:
        InvalidArgument: it has another log under that id, or the id or repository is another's.
    """
    for other in await route.target.workspaces(place.principal):
        if other.id == place.id:
            _require_same(route, place, other, "counts tokens with", "tokenizer")
            _require_same(route, place, other, "belongs to repository", "fingerprint")
            return await _common_beginning(route, place, other)
        if place.fingerprint is not None and other.fingerprint == place.fingerprint:
            raise _another(
                route,
                place,
                f"its repository {place.fingerprint} has workspace {other.id!r} there",
            )
    return 0


async def _common_beginning(route: _Route, place: Workspace, there: Workspace) -> int:
    here = (await route.target.totals(there))["lines"]
    ours = _told(route, place, lines(route.source, place, 0, here), "log lines compared", here)
    position = await agreed(route.target, there, ours)
    if position < here:
        raise _parted(route, place, position)
    return position


async def _counterpart(route: _Route, place: Workspace) -> Workspace:
    """The target's workspace of that id, made when it is new.

    Asked for by name, as it once was at the source, it gets the id that it had there if all older
    ones are at the target too. Else it is asked for by id, and gets that for its name as well.
    """
    there = {other.id for other in await route.target.workspaces(place.principal)}
    older = []
    for other in await route.source.workspaces(place.principal):
        if other.id == place.id:
            break
        older.append(other.id)
    as_it_was = place.id not in there and there.issuperset(older)
    found = await route.target.open_workspace(
        WorkspaceRequest(
            place.principal,
            place.tokenizer,
            place.created_at,
            id=None if as_it_was else place.id,
            name=place.name,
            fingerprint=place.fingerprint,
        )
    )
    if found.id != place.id:
        raise _another(route, place, f"{place.name!r} leads to workspace {found.id!r} there")
    return found


def _require_same(route: _Route, place: Workspace, there: Workspace, does: str, name: str) -> None:
    ours, theirs = getattr(place, name), getattr(there, name)
    if ours != theirs:
        raise _another(route, place, f"it {does} {theirs or 'none'} there, here {ours or 'none'}")


def _another(route: _Route, place: Workspace, why: str) -> InvalidArgument:
    source, target = route.names
    return InvalidArgument(
        f"workspace {place.id!r} of {place.principal} is another one in {target} than in {source}: "
        f"{why}. Nothing was overwritten: name another file, or another prefix, to move to"
    )


def _parted(route: _Route, place: Workspace, position: int) -> InvalidArgument:
    return _another(route, place, f"their logs have nothing in common behind line {position:,}")


async def _told(
    route: _Route, place: Workspace, told: AsyncIterator[LogLine], what: str, total: int
) -> AsyncIterator[LogLine]:
    """The same lines, with a word of progress now and then."""
    async for line in told:
        yield line
        if line.position % LINES == 0 or line.position == total:
            await route.tell(Progress(place, what, line.position, total))


class _Mover:
    """Moves one workspace, and knows what was compared so far."""

    def __init__(self, route: _Route, place: Workspace, there: Workspace, position: int) -> None:
        self.route = route
        self.place = place
        self.there = there
        self.position = position  # up to which the logs are the same
        self._brought = 0
        self._compared = 0  # the content up to which each was looked at
        self._absent: set[int] = set()  # contents that neither store can read
        self._doubted: set[int] = set()  # that were not the same when they were looked at
        self._lost: tuple[Lost, ...] = ()
        self._equal = False

    def outcome(self) -> Moved:
        """What came of it so far."""
        same = self._compared - len(self._absent) - len(self._doubted)
        return Moved(
            self.place, self.there, self.position, self._brought, same, self._lost, self._equal
        )

    async def settle(self) -> None:
        """Bring what is new and compare, until the source stands still for one comparison.

        Raises:
            InvalidArgument: somebody else writes to the target.
            StoreDamaged: what has arrived is not what was sent.
        """
        for _ in range(_ROUNDS):
            if self._equal and not await self._is_behind():
                return
            self._equal = await self._round()

    async def _round(self) -> bool:
        """Bring what there is now; False when the source has gone on before all was compared."""
        forgotten = await self._bring()
        await self._compare_contents(forgotten)
        if await self._is_behind():
            return False
        lost, difference = await self._judged(), await self._difference()
        if await self._is_behind():
            return False
        if difference is not None:
            raise self._unequal(difference)
        self._lost = lost
        return True

    async def _is_behind(self) -> bool:
        totals = await self.route.source.totals(self.place)
        return totals["lines"] > self.position

    async def _bring(self) -> set[str]:
        """Append the source's log up to now, and read it back; the pages forgotten in it."""
        route, place, there = self.route, self.place, self.there
        until = (await route.source.totals(place))["lines"]
        here = await route.target.totals(there)
        reached = here["lines"]
        if reached > until:
            raise _parted(route, place, until)
        forgotten: set[str] = set()
        items = read(route.source, place, after=reached, held=here["contents"])
        try:
            async for piece in append(route.target, there, items):
                reached = piece[-1].position
                self._brought += len(piece)
                forgotten.update(_forgotten(piece))
                await route.tell(Progress(place, "log lines", reached, max(reached, until)))
        except PagefaultError as error:
            if await _common_beginning(route, place, there) > reached:
                message = (
                    f"another run moves workspace {place.id!r} of {place.principal} into "
                    f"{route.names[1]} at the same time: let that one end"
                )
                raise InvalidArgument(message) from error
            raise
        await self._compare_log(reached)
        return forgotten

    async def _compare_log(self, until: int) -> None:
        route, place = self.route, self.place
        ours = lines(route.source, place, self.position, until)
        told = _told(route, place, ours, "log lines compared", until)
        self.position = await agreed(route.target, self.there, told, self.position)
        if self.position < until:
            differs = f"log line {self.position + 1:,}"
            raise self._unequal(differs)

    async def _compare_contents(self, forgotten: set[str]) -> None:
        """Look at contents that were not yet, and at those about which something may be new."""
        again, self._doubted = self._doubted, set()
        if self._compared:
            for page_id in forgotten:
                again |= await self._contents_of(page_id)
        for number in sorted(again):
            ours = await _readable(self.route.source, self.place, number)
            self._weigh(number, ours, await _readable(self.route.target, self.there, number))
        await self._compare_new_contents()

    async def _compare_new_contents(self) -> None:
        until = (await self.route.target.totals(self.there))["contents"]
        ours = Shelf(self.route.source, self.place, self._compared)
        theirs = Shelf(self.route.target, self.there, self._compared)
        while self._compared < until:
            last = min(self._compared + _STEP, until)
            here = {content.number: content.data async for content in ours.up_to(last)}
            there = {content.number: content.data async for content in theirs.up_to(last)}
            for number in range(self._compared + 1, last + 1):
                self._weigh(number, here.get(number), there.get(number))
            self._compared = last
            await self.route.tell(Progress(self.place, "contents compared", last, until))

    def _weigh(self, number: int, ours: bytes | None, theirs: bytes | None) -> None:
        if ours is None and theirs is None:
            self._absent.add(number)
        elif ours != theirs:
            self._doubted.add(number)

    async def _contents_of(self, page_id: str) -> set[int]:
        """The contents of a page that were looked at before it was forgotten."""
        named: set[int] = set()
        async for line in lines(self.route.target, self.there, page_id=page_id):
            named.update(number for number in contents_of(line) if number <= self._compared)
        return named

    async def _difference(self) -> str | None:
        """The first thing, in words, that the stores do not agree on; None when they do."""
        source, target, place, there = self.route.source, self.route.target, self.place, self.there
        ours, theirs = await source.totals(place), await target.totals(there)
        if theirs["lines"] > self.position:  # somebody else has written to the target
            raise _parted(self.route, place, self.position)
        for name in _COUNTS:
            if ours[name] != theirs[name]:
                return f"the number of {name} ({ours[name]:,} and {theirs[name]:,})"
        many = ours["sessions"] + 1
        rows = await source.sessions(place, many)
        if rows != await target.sessions(there, many):
            return "the row of a session"
        for row in rows:
            if await source.residents(place, row.id) != await target.residents(there, row.id):
                return f"what is mapped in session {row.id}"
        return None

    async def _judged(self) -> tuple[Lost, ...]:
        """The contents that were not forgotten or collected and yet cannot be read at the source.

        Raises:
            StoreDamaged: a content that can be is not the same at the target, or was forgotten
                or collected and is still there.
        """
        if not self._absent and not self._doubted:
            return ()
        pages, gone = await self._pages_of(self._absent | self._doubted)
        for number in sorted(self._doubted):
            ours = await _readable(self.route.source, self.place, number)
            if ours is not None or number in gone:
                differs = f"content {number:,} of {_one(pages.get(number, set()))}"
                raise self._unequal(differs)
        return tuple(Lost(number, _one(pages[number])) for number in sorted(pages.keys() - gone))

    async def _pages_of(self, contents: set[int]) -> tuple[dict[int, set[str]], set[int]]:
        """The pages that each of the contents belongs to, and those that are gone for good."""
        pages: dict[int, set[str]] = {}
        forgotten: set[str] = set()
        collected: set[int] = set()
        async for line in lines(self.route.target, self.there, 0, self.position):
            page_id = getattr(line.operation, "page_id", None)
            for number in contents.intersection(contents_of(line)):
                pages.setdefault(number, set()).update([page_id] if page_id else [])
            forgotten.update(_forgotten([line]))
            if isinstance(line.operation, Collected):
                collected.update(line.operation.contents)
        gone = {number for number, named in pages.items() if named and named <= forgotten}
        return pages, collected | gone

    def _unequal(self, what: str) -> StoreDamaged:
        source, target = self.route.names
        return StoreDamaged(
            f"{what} of workspace {self.place.id!r} of {self.place.principal} is not the same in "
            f"{target} as in {source}. Stop what else writes to {target}, or move to another file "
            "or prefix; `pagefault doctor` says what is damaged"
        )


async def _readable(store: Store, workspace: Workspace, number: int) -> bytes | None:
    try:
        return await single(store, workspace, number)
    except StoreDamaged:
        return None


def _forgotten(piece: Sequence[LogLine]) -> set[str]:
    """The pages that lines of the log delete for good."""
    found = (line.operation for line in piece)
    return {operation.page_id for operation in found if isinstance(operation, Forgotten)}


def _one(pages: set[str]) -> str | None:
    return min(pages, default=None)
