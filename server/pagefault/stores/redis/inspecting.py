"""Looking at a server, and at what is kept there, without changing either: what `doctor` reports.

What the log says is folded into `Told`: what must be there, and what must not. It is compared with
what is there, read piece by piece while others write. A page that is forgotten meanwhile is
excused by the lines that the log has gained.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

from ...base.clock import RandomIds
from ...base.errors import StoreDamaged
from ...base.exported import contents_of
from ...base.log import (
    Collected,
    EventAdded,
    Forgotten,
    LogLine,
    PageAdded,
    Reverted,
    SessionOpened,
    VersionAdded,
)
from ..contract import Resident, Workspace
from .address import read_address
from .drafting import chunks_of, hash_of, restored
from .link import Link, Said, Script
from .reading import line_of, residents_of
from .registry import Registry

OLDEST = (7, 0)  # what knows the flags of a script
OLDEST_WAITAOF = (7, 2)

_LINES = 256  # of one piece
_CONTENTS = 64  # of one piece, as far as they have the bytes
_BYTES = 4 * 2**20
_PAGES = 500  # asked for in one request
_LISTED = 20  # complaints of a kind

Pages = Mapping[str, int]  # page to the position of its first line


@dataclass(frozen=True, slots=True)
class Primary:
    """What is known of one primary; None, or nothing, where it did not tell.

    ``failure``: why it does not answer. ``told``: whether it let us ask INFO. ``level``: the
    version of Redis that it behaves like. ``snapshots``: the setting `save`. Memory is in bytes,
    ``round_trip`` in seconds.
    """

    name: str
    failure: str | None = None
    round_trip: float = 0.0
    told: bool = False
    product: str = ""
    level: tuple[int, ...] = ()
    role: str = ""
    in_cluster: bool = False
    cluster_state: str | None = None
    aof: bool = False
    aof_fails: bool = False
    snapshot_fails: bool = False
    policy: str = ""
    memory: int = 0
    memory_limit: int = 0
    evicted: int = 0
    replicas: int = 0
    fsync: str | None = None
    snapshots: str | None = None
    replicas_needed: int | None = None


def primary_of(said: Said) -> Primary:
    """The facts in what a server says of itself."""
    if said.info is None:
        return Primary(said.name, said.failure, said.round_trip)
    info, config = said.info, said.config or {}
    valkey = info.get("valkey_version")
    version = str(info.get("redis_version", ""))
    needed = config.get("min-replicas-to-write")
    return Primary(
        said.name,
        None,
        said.round_trip,
        told=True,
        product=f"Valkey {valkey}" if valkey else f"Redis {version}",
        level=tuple(map(int, re.findall(r"\d+", version))),
        role=info.get("role", ""),
        in_cluster=bool(info.get("cluster_enabled")),
        cluster_state=(said.cluster or {}).get("cluster_state"),
        aof=bool(info.get("aof_enabled")),
        aof_fails=info.get("aof_last_write_status", "ok") != "ok",
        snapshot_fails=info.get("rdb_last_bgsave_status", "ok") != "ok",
        policy=info.get("maxmemory_policy", ""),
        memory=info.get("used_memory", 0),
        memory_limit=info.get("maxmemory", 0),
        evicted=info.get("evicted_keys", 0),
        replicas=sum(_is_online(name, value) for name, value in info.items()),
        fsync=config.get("appendfsync"),
        snapshots=config.get("save"),
        replicas_needed=None if needed is None else int(needed),
    )


@dataclass(slots=True)
class Told:
    """What lines of a log, taken in one after the other, say that there must be.

    ``numbers``: prefix of ids to the highest that was given out. ``contents``: content id to the
    pages that it belongs to, "" for an event of its own.
    """

    position: int = 0
    indexable: int = 0
    odd: list[str] = field(default_factory=list)
    pages: dict[str, int] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    collected: set[int] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)
    contents: dict[int, set[str]] = field(default_factory=dict)

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
        if isinstance(made, PageAdded | VersionAdded | Reverted | Forgotten):
            self.indexable = line.position
        if isinstance(made, PageAdded | EventAdded):
            self._count(made.event_id, made.page_id)
        page = getattr(made, "page_id", None) or ""
        for number in contents_of(line):
            self.contents.setdefault(number, set()).add(page)

    def step(self, position: int) -> None:
        """Note that there is a line at a position, and what is missing before it."""
        if position != self.position + 1:
            self.odd.append(f"the log has no lines {self.position + 1:,} to {position - 1:,}")
        self.position = position

    def _count(self, *ids: str | None) -> None:
        for name in filter(None, ids):
            prefix, _, number = name.rpartition("_")
            self.numbers[prefix] = max(self.numbers.get(prefix, 0), int(number))


@dataclass(frozen=True, slots=True)
class Keys:
    """What a workspace's keys say beside its log.

    The first five were read before the log: its last position and content id, the last position
    that an index follows, pages alive, sessions. The rest was read after it: counters of ids, pages
    that are there and were not forgotten, sessions with what is mapped in each.
    """

    position: int
    content: int
    indexable: int
    pages: int
    sessions: int
    counters: Mapping[str, int]
    alive: Pages
    residents: Mapping[str, Sequence[Resident]]


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
    if told.indexable != keys.indexable:
        yield f"searches look for line {keys.indexable:,}, and should for {told.indexable:,}"
    yield from _of_numbers(told, keys)
    yield from _of_pages(told, keys, later)
    yield from _of_sessions(told, keys, later)


def damaged(told: Told, shelf: Shelf, later: Told) -> Iterator[str]:
    """Contents that have changed or are gone, each with its page, and those that should be gone."""
    for number, pages in sorted(told.contents.items()):
        holding = pages - told.forgotten - later.forgotten
        if number in later.collected or (not holding and pages & later.forgotten):
            continue
        name = f"content {number} of {min(holding or pages) or 'an event'}"
        if not holding or number in told.collected:
            if number in shelf.there:
                went = "collected" if holding else "forgotten"
                yield f"{name}, which was {went}, is still there"
        elif number not in shelf.there:
            yield f"{name} is gone"
        elif number in shelf.changed:
            yield f"{name} has changed"


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a workspace. ``read``: contents; ``indexable``: the last such position."""

    workspace: Workspace
    sessions: int
    pages: int
    lines: int
    indexable: int
    read: int
    complaints: Sequence[str]
    damaged: Sequence[str]


class Inspector:
    """Read-only checks of one server or cluster; use it as an async context manager.

    ``timeout``: seconds for one request. Every method raises `StoreError` for what it meets.

    Raises:
        InvalidArgument: the URL cannot be read.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.address = read_address(url)
        self._timeout = timeout
        self._script = Script("keys", "read", flags="no-writes")

    @property
    def place(self) -> str:
        """Where it looks, without a password."""
        return f"{self.address.name}?prefix={self.address.prefix}"

    async def __aenter__(self) -> Self:
        self._link = Link(self.address, self._timeout)
        self._registry = Registry(self._link, self.address.prefix, RandomIds())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()

    async def primaries(self) -> list[Primary]:
        """What every primary says of itself."""
        return [primary_of(node) for node in await self._link.nodes()]

    async def try_script(self) -> None:
        """See that this user may run scripts here, by one that finds nothing."""
        await self._ask(f"{self.address.prefix}:{{none}}", "totals")

    async def principals(self) -> list[str]:
        """Everybody who has a workspace here."""
        return await self._registry.principals()

    async def workspaces(self, principal: str) -> list[tuple[Workspace, str]]:
        """A principal's workspaces, each with what its keys begin with."""
        return await self._registry.all(principal)

    async def examine(self, workspace: Workspace, place: str) -> Examined:
        """Read all of a workspace, and see whether it is whole."""
        head = await self._head(place)
        told = await self._told(place, Told(), head["position"])
        keys = await self._keys(place, head, told)
        shelf = await self._shelf(place, head["content"])
        later = await self._told(place, Told(head["position"]), None)
        return Examined(
            workspace,
            sessions=len(told.sessions),
            pages=len(told.pages.keys() - told.forgotten),
            lines=told.position,
            indexable=head["indexable"],
            read=len(shelf.there),
            complaints=_some(complaints(told, keys, later)),
            damaged=_some(damaged(told, shelf, later)),
        )

    async def _head(self, place: str) -> dict[str, int]:
        names = ("position", "content", "indexable", "pages", "sessions")
        return dict(zip(names, map(int, await self._ask(place, "totals")), strict=True))

    async def _told(self, place: str, told: Told, until: int | None) -> Told:
        """All that the lines say, up to a position."""
        async for entry in self._entries(place, told.position, until):
            try:
                told.take(line_of(entry))
            except (KeyError, TypeError, ValueError) as error:
                position = int(entry[0].partition(b"-")[0])
                told.odd.append(f"line {position:,} of the log cannot be read ({error!r})")
                told.position = position
        return told

    async def _entries(self, place: str, after: int, until: int | None) -> AsyncIterator[Any]:
        while until is None or after < until:
            limit = _LINES if until is None else min(_LINES, until - after)
            piece = await self._ask(place, "log", after, limit)
            for entry in piece:
                after = int(entry[0].partition(b"-")[0])
                if until is None or after <= until:
                    yield entry
            if not piece:
                return

    async def _keys(self, place: str, head: Mapping[str, int], told: Told) -> Keys:
        counters = hash_of(await self._ask(place, "counters"))
        alive: dict[str, int] = {}
        for ids in _batches(told.pages, _PAGES):
            found = await self._ask(place, "alive", *ids)
            alive.update({page.decode(): int(position) for page, position in found})
        residents = {}
        for handle in told.sessions:
            if await self._ask(place, "session", handle):
                residents[handle] = residents_of(await self._ask(place, "residents", handle))
        return Keys(
            **head,
            counters={name: int(last) for name, last in counters.items()},
            alive=alive,
            residents=residents,
        )

    async def _shelf(self, place: str, until: int) -> Shelf:
        there: set[int] = set()
        changed: set[int] = set()
        reached = 0
        while reached < until:
            led_to, _, piece = await self._ask(place, "contents", reached, _CONTENTS, _BYTES)
            if int(led_to) == reached:  # what counts them has lost its count
                break
            reached = int(led_to)
            for found, first in piece:
                number = int(found)
                there.add(number)
                if not await self._is_sound(place, number, first):
                    changed.add(number)
        return Shelf(there, changed)

    async def _is_sound(self, place: str, number: int, first: bytes) -> bool:
        try:
            chunks = range(1, chunks_of(first))
            further = [await self._ask(place, "chunk", number, chunk) for chunk in chunks]
            restored([first, *further], "")
        except (StoreDamaged, ValueError):  # the number of chunks, too, may be damaged
            return False
        return True

    async def _ask(self, place: str, question: str, *arguments: str | int) -> Any:  # noqa: ANN401
        return await self._link.script(self._script, place, question, *arguments)


def _of_numbers(told: Told, keys: Keys) -> Iterator[str]:
    """Numbers that would be given out a second time."""
    for prefix, last in sorted(told.numbers.items()):
        if (counted := keys.counters.get(prefix, 0)) < last:
            yield f"the next {prefix} would be {prefix}_{counted + 1}, and {prefix}_{last} is taken"
    if (last := max(told.contents, default=0)) > keys.content:
        yield f"the next content would be {keys.content + 1}, and {last} is taken"


def _of_pages(told: Told, keys: Keys, later: Told) -> Iterator[str]:
    alive = told.pages.keys() - told.forgotten
    if len(alive) != keys.pages:
        yield f"{keys.pages:,} pages are counted, and {len(alive):,} are alive"
    for page in sorted(alive - later.forgotten):
        if page not in keys.alive:
            yield f"page {page} is gone"
        elif keys.alive[page] != told.pages[page]:
            yield f"page {page} names line {keys.alive[page]:,}, not {told.pages[page]:,}"
    for page in sorted(keys.alive.keys() & told.forgotten):
        yield f"page {page} was forgotten and is still there"


def _of_sessions(told: Told, keys: Keys, later: Told) -> Iterator[str]:
    if len(told.sessions) != keys.sessions:
        yield f"{keys.sessions:,} sessions are counted, and {len(told.sessions):,} were opened"
    for handle in sorted(told.sessions - keys.residents.keys()):
        yield f"session {handle} is gone"
    there = (told.pages.keys() | later.pages.keys()) - told.forgotten
    for handle, residents in keys.residents.items():
        for page in residents:
            if page.page_id not in there:
                yield f"session {handle} maps {page.page_id}, which is no page"


def _is_online(name: str, said: Any) -> bool:  # noqa: ANN401 - a line of INFO
    return (
        re.fullmatch(r"slave\d+", name) is not None
        and isinstance(said, Mapping)
        and said.get("state") == "online"
    )


def _batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(islice(rest, size)):
        yield batch


def _some(found: Iterable[str]) -> list[str]:
    """The first of them, and how many more there are."""
    all_ = list(found)
    further = len(all_) - _LISTED
    return [*all_[:_LISTED], f"and {further:,} more"] if further > 0 else all_
