"""Whether a workspace's keys are what its log says: read piece by piece while others write.

What the log says is folded into `Told`: what must be there, and what must not. It is compared with
what is there. What happens meanwhile is excused by the lines that the log has gained.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ...base.errors import StoreDamaged
from ...base.exported import contents_of
from ...base.log import (
    Archived,
    Collected,
    EventAdded,
    Forgotten,
    LogLine,
    PageAdded,
    Represented,
    Reverted,
    SessionOpened,
    Unarchived,
    VersionAdded,
)
from ..contract import Damage, Examination, Workspace
from ..folding import COUNTERS, Disagreement, Folded, Spot, Standing
from .drafting import chunks_of, hash_of, restored
from .link import Link, Script
from .reading import line_of

_LINES = 256  # of one piece
_CONTENTS = 64  # of one piece, as far as they have the bytes
_BYTES = 4 * 2**20
_PAGES = 500  # asked for in one request
_LISTED = 20  # complaints of a kind
_MODEL = "model"

Pages = Mapping[str, int]  # page to the position of its first line


@dataclass(slots=True)
class Told:
    """What lines of a log, taken in one after the other, say that there must be.

    ``numbers``: prefix of ids to the highest that was given out. ``contents``: content id to the
    pages that it belongs to, "" for an event of its own; ``computed``: those that are no more than
    computed levels. ``touched``: sessions that something happened in. ``folded`` None: these lines
    are not all of the log.
    """

    position: int = 0
    indexable: int = 0
    odd: list[str] = field(default_factory=list)
    pages: dict[str, int] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    collected: set[int] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)
    contents: dict[int, set[str]] = field(default_factory=dict)
    computed: set[int] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    documents: dict[str, list[int]] = field(default_factory=dict)  # page to positions
    folded: Folded | None = None

    def take(self, line: LogLine) -> None:
        """Take in the line that follows."""
        self.step(line.position)
        made = line.operation
        if isinstance(made, SessionOpened):
            self.sessions.add(str(made.session))
        elif isinstance(made, Forgotten):
            self.forgotten.add(made.page_id)
        elif isinstance(made, Collected):
            self.collected.update(made.contents)
        elif isinstance(made, PageAdded):
            self.pages[made.page_id] = line.position
        self._index(line)
        if isinstance(made, PageAdded | EventAdded):
            self._count(made.event_id, made.page_id)
        self._hold(line)
        self.touched.add(made.session or "")
        if self.folded is not None and not self.odd:
            self.folded.take(line)

    def step(self, position: int) -> None:
        """Note that there is a line at a position, and what is missing before it."""
        if position != self.position + 1:
            self.odd.append(f"the log has no lines {self.position + 1:,} to {position - 1:,}")
        self.position = position

    def _hold(self, line: LogLine) -> None:
        made = line.operation
        page = getattr(made, "page_id", None) or ""
        for number in contents_of(line):
            self.contents.setdefault(number, set()).add(page)
        if isinstance(made, Represented) and made.origin != _MODEL:
            self.computed.add(made.content)

    def _index(self, line: LogLine) -> None:
        made = line.operation
        if isinstance(made, PageAdded | VersionAdded | Reverted | Forgotten):
            self.indexable = line.position
            at = self.documents.setdefault(made.page_id, [])
            at.append(-line.position if isinstance(made, Forgotten) else line.position)

        if isinstance(made, Archived | Unarchived):
            self.indexable = line.position
        if isinstance(made, Archived) and made.page_id not in self.forgotten:
            self.archived.add(made.page_id)
        elif isinstance(made, Unarchived | Forgotten):
            self.archived.discard(made.page_id)

    def indexed(self, reached: int) -> int:
        """How many documents an index has that has followed the log up to a position."""
        followed = ([at for at in all_ if abs(at) <= reached] for all_ in self.documents.values())
        return sum(len(at) for at in followed if all(position > 0 for position in at))

    def _count(self, *ids: str | None) -> None:
        for name in filter(None, ids):
            prefix, _, number = name.rpartition("_")
            self.numbers[prefix] = max(self.numbers.get(prefix, 0), int(number))


@dataclass(frozen=True, slots=True)
class Keys:
    """What a workspace's keys say beside its log.

    The first six were read before the log: its last position and content id, the last position
    that an index follows, pages alive, sessions, archived pages. The rest was read after it:
    counters of ids, pages that are there and were not forgotten, sessions, each with its revision
    and how it stands.
    """

    position: int
    content: int
    indexable: int
    pages: int
    sessions: int
    archived: int
    counters: Mapping[str, int]
    alive: Pages
    standings: Mapping[str, tuple[int, Standing]]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The contents that are there, and those of them that are not what was written."""

    there: Set[int]
    changed: Set[int]


def complaints(told: Told, keys: Keys, later: Told) -> Iterator[str]:
    """Where the keys are not what the log makes them, in words.

    ``later``: what the log has gained while the keys were read.
    """
    yield from told.odd
    if told.position != keys.position:
        yield f"the log ends at line {told.position:,}, and should at {keys.position:,}"
    yield from _of_pages(told, keys, later)
    yield from _of_sessions(told, keys, later)


def miscounts(told: Told, keys: Keys) -> Iterator[str]:
    """Positions and counts that are not what the log makes them, in words."""
    if told.indexable != keys.indexable:
        yield f"searches look for line {keys.indexable:,}, and should for {told.indexable:,}"
    alive = told.pages.keys() - told.forgotten
    if len(alive) != keys.pages:
        yield f"{keys.pages:,} pages are counted, and {len(alive):,} are alive"
    if len(told.archived) != keys.archived:
        yield f"{keys.archived:,} pages count as archived, and {len(told.archived):,} are"
    if len(told.sessions) != keys.sessions:
        yield f"{keys.sessions:,} sessions are counted, and {len(told.sessions):,} were opened"
    for prefix, last in sorted(told.numbers.items()):
        if (counted := keys.counters.get(prefix, 0)) < last:
            yield f"the next {prefix} would be {prefix}_{counted + 1}, and {prefix}_{last} is taken"
    if (last := max(told.contents, default=0)) > keys.content:
        yield f"the next content would be {keys.content + 1}, and {last} is taken"


def disagreements(told: Told, keys: Keys, later: Told) -> Iterator[Disagreement]:
    """Sessions that are not as the log says, of those in which nothing has happened meanwhile."""
    if told.folded is None or told.odd:
        return
    for handle, (revision, found) in sorted(keys.standings.items()):
        standing = told.folded.standing(handle)
        kept = standing.mapped.keys() | standing.pins.keys()
        if handle not in later.touched and not kept & later.forgotten:
            wrong = told.folded.disagreement(handle, revision, found)
            if wrong is not None:
                yield wrong


def damaged(told: Told, shelf: Shelf, later: Told) -> Iterator[Damage]:
    """Contents that have changed or are gone, each with its page, and those that should be gone."""
    for number, pages in sorted(told.contents.items()):
        holding = pages - told.forgotten - later.forgotten
        if number in later.collected or (not holding and pages & later.forgotten):
            continue
        what = _what_of(number, told, shelf, held=bool(holding))
        if what:
            page, computed = min(holding or pages), number in told.computed
            whose = f"{'a level of ' if computed else ''}{page or 'an event'}"
            yield Damage(number, page or None, computed, f"content {number} of {whose}{what}")


def _what_of(number: int, told: Told, shelf: Shelf, *, held: bool) -> str:
    """What is wrong with a content, in words; nothing when it is as it should be."""
    if not held or number in told.collected:
        went = "collected" if held else "forgotten"
        return f", which was {went}, is still there" if number in shelf.there else ""
    if number not in shelf.there:
        return " is gone"
    return " has changed" if number in shelf.changed else ""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a workspace. ``read``: contents; ``indexable``: the last such position.

    ``complaints`` and ``damaged`` in words, the first of them; ``examination``: what can be mended.
    ``told``: what its log says.
    """

    workspace: Workspace
    sessions: int
    pages: int
    lines: int
    indexable: int
    read: int
    complaints: Sequence[str]
    damaged: Sequence[str]
    examination: Examination
    told: Told


class Examiner:
    """Reads one workspace, whose keys begin with ``place``, and changes nothing."""

    def __init__(self, link: Link, script: Script, workspace: Workspace, place: str) -> None:
        self._link = link
        self._script = script
        self._workspace = workspace
        self._place = place

    async def examine(self) -> Examined:
        """Read all of a workspace, and see whether it is whole."""
        head = await self._head()
        told = await self._told(Told(folded=Folded()), head["position"])
        keys = await self._keys(head, told)
        shelf = await self._shelf(head["content"])
        later = await self._told(Told(head["position"]), None)
        counts = [*miscounts(told, keys)]
        if (end := await self._head())["position"] < later.position:
            counts.append(f"the next line would be {end['position'] + 1:,}, which is taken")
        damage = list(damaged(told, shelf, later))
        return Examined(
            self._workspace,
            sessions=len(told.sessions),
            pages=len(told.pages.keys() - told.forgotten),
            lines=told.position,
            indexable=head["indexable"],
            read=len(shelf.there),
            complaints=_some([*complaints(told, keys, later), *counts]),
            damaged=_some(one.detail for one in damage),
            examination=Examination(list(disagreements(told, keys, later)), counts, damage=damage),
            told=told,
        )

    async def told(self) -> Told:
        """What the whole log says by now."""
        return await self._told(Told(folded=Folded()), None)

    async def _head(self) -> dict[str, int]:
        names = ("position", "content", "indexable", "pages", "sessions", "archived")
        return dict(zip(names, map(int, await self._ask("totals")), strict=True))

    async def _told(self, told: Told, until: int | None) -> Told:
        """All that the lines say, up to a position."""
        async for entry in self._entries(told.position, until):
            try:
                told.take(line_of(entry))
            except (KeyError, TypeError, ValueError) as error:
                position = int(entry[0].partition(b"-")[0])
                told.odd.append(f"line {position:,} of the log cannot be read ({error!r})")
                told.position = position
        return told

    async def _entries(self, after: int, until: int | None) -> AsyncIterator[Any]:
        while until is None or after < until:
            limit = _LINES if until is None else min(_LINES, until - after)
            piece = await self._ask("log", after, limit)
            for entry in piece:
                after = int(entry[0].partition(b"-")[0])
                if until is None or after <= until:
                    yield entry
            if not piece:
                return

    async def _keys(self, head: Mapping[str, int], told: Told) -> Keys:
        counters = hash_of(await self._ask("counters"))
        alive: dict[str, int] = {}
        for ids in _batches(told.pages, _PAGES):
            found = await self._ask("alive", *ids)
            alive.update({page.decode(): int(position) for page, position in found})
        standings = {}
        for handle in told.sessions:
            row = hash_of(await self._ask("session", handle))
            if row:
                kept, pinned, *_ = await self._ask("residents", handle)
                revision = int(row.get("revision", b"0"))
                mapped, pins = _spots(hash_of(kept)), _pins(hash_of(pinned))
                standings[handle] = revision, Standing(_counters(row), mapped, pins)
        return Keys(
            **head,
            counters={name: int(last) for name, last in counters.items()},
            alive=alive,
            standings=standings,
        )

    async def _shelf(self, until: int) -> Shelf:
        there: set[int] = set()
        changed: set[int] = set()
        reached = 0
        while reached < until:
            led_to, _, piece = await self._ask("contents", reached, _CONTENTS, _BYTES)
            if int(led_to) == reached:  # what counts them has lost its count
                break
            reached = int(led_to)
            for found, first in piece:
                number = int(found)
                there.add(number)
                if not await self._is_sound(number, first):
                    changed.add(number)
        return Shelf(there, changed)

    async def _is_sound(self, number: int, first: bytes) -> bool:
        try:
            chunks = range(1, chunks_of(first))
            further = [await self._ask("chunk", number, chunk) for chunk in chunks]
            restored([first, *further], "")
        except (StoreDamaged, ValueError):  # the number of chunks, too, may be damaged
            return False
        return True

    async def _ask(self, question: str, *arguments: str | int) -> Any:  # noqa: ANN401
        return await self._link.script(self._script, self._place, question, *arguments)


def _of_pages(told: Told, keys: Keys, later: Told) -> Iterator[str]:
    alive = told.pages.keys() - told.forgotten
    for page in sorted(alive - later.forgotten):
        if page not in keys.alive:
            yield f"page {page} is gone"
        elif keys.alive[page] != told.pages[page]:
            yield f"page {page} names line {keys.alive[page]:,}, not {told.pages[page]:,}"
    for page in sorted(keys.alive.keys() & told.forgotten):
        yield f"page {page} was forgotten and is still there"


def _of_sessions(told: Told, keys: Keys, later: Told) -> Iterator[str]:
    for handle in sorted(told.sessions - keys.standings.keys()):
        yield f"session {handle} is gone"
    there = (told.pages.keys() | later.pages.keys()) - told.forgotten
    for handle, (_, standing) in keys.standings.items():
        for page in standing.mapped.keys() - there:
            yield f"session {handle} maps {page}, which is no page"


def _counters(row: Mapping[str, bytes]) -> dict[str, Any]:
    """A row's counters; one that is no number stays the text that it is."""
    at_first = Standing().counters
    found: dict[str, Any] = {}
    for name in COUNTERS:
        text = row[name].decode(errors="replace") if name in row else str(at_first[name])
        is_number = isinstance(at_first[name], int) and text.lstrip("-").isdigit()
        found[name] = int(text) if is_number else text
    return found


def _spots(kept: Mapping[str, bytes]) -> dict[str, Spot]:
    """How the mapped pages are mapped; what cannot be read is at no version at all."""
    found = {}
    for page, text in kept.items():
        words = text.decode(errors="replace").split(" ")
        if words[1:2] != ["-"]:  # else it was evicted
            try:
                found[page] = Spot(*map(int, words[:7]))
            except (TypeError, ValueError):
                found[page] = Spot(0, None, 0, 0, 0, 0, 0)
    return found


def _pins(pinned: Mapping[str, bytes]) -> dict[str, int | None]:
    return {page: int(until) if until else None for page, until in pinned.items()}


def _batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(islice(rest, size)):
        yield batch


def _some(found: Iterable[str]) -> list[str]:
    """The first of them, and how many more there are."""
    all_ = list(found)
    further = len(all_) - _LISTED
    return [*all_[:_LISTED], f"and {further:,} more"] if further > 0 else all_
