"""What nothing reaches any more: a fold over the whole log, and a decision. Pure.

Level 0 of every version is reached for ever, since a history reads any version; so is all that a
model wrote. A computed level is reached while a session could be shown it: it is of a version that
is the head of a branch, now or at a checkpoint or a fork, or that is mapped; its compressor is
still in use; and nothing took its place.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from ..base.exported import contents_of
from ..base.log import (
    Checkpointed,
    Collected,
    Demoted,
    Evicted,
    FaultedIn,
    Forgotten,
    LogLine,
    Operation,
    PageAdded,
    Represented,
    Reverted,
    SessionOpened,
    VersionAdded,
)

MODEL: Final = "model"  # the origin of what a model wrote

# Kinds of garbage, in the order in which they are told.
REPLACED: Final = "levels replaced by others"
OUTDATED: Final = "levels of compressors no longer in use"
UNREAD: Final = "levels of versions that no session reads"
REMAINS: Final = "remains of forgotten pages"
UNNAMED: Final = "contents that no log line names"
KINDS: Final = (REPLACED, OUTDATED, UNREAD, REMAINS, UNNAMED)


@dataclass(frozen=True, slots=True)
class Garbage:
    """A content that nothing reaches, what kind it is of, its page if it has one, its bytes."""

    kind: str
    content: int
    page_id: str | None
    size: int


@dataclass(frozen=True, slots=True)
class _Level:
    content: int
    origin: str


@dataclass(slots=True)
class Reach:
    """The log of one workspace, all of it, taken in line by line."""

    _owners: dict[int, str] = field(default_factory=dict)  # content to its page, "" for none
    _forgotten: set[str] = field(default_factory=set)
    _collected: set[int] = field(default_factory=set)
    _levels: dict[str, dict[tuple[int, int], _Level]] = field(default_factory=dict)
    _replaced: dict[int, str] = field(default_factory=dict)  # computed content to its page
    _heads: dict[str, dict[str, list[tuple[int, int]]]] = field(default_factory=dict)
    _mapped: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    _moments: list[int] = field(default_factory=list)  # positions that may be gone back to

    def take(self, line: LogLine) -> None:
        """What follows from the next line."""
        made = line.operation
        self._own(line)
        self._move(made)
        match made:
            case SessionOpened() if made.forked_at is not None:
                self._moments.append(made.forked_at)
            case Checkpointed():
                self._moments.append(line.position)
            case PageAdded() | VersionAdded() | Reverted():
                version = 1 if isinstance(made, PageAdded) else made.version
                branches = self._heads.setdefault(made.page_id, defaultdict(list))
                branches[str(made.session)].append((line.position, version))
            case Represented():
                self._represent(made)
            case Collected():
                self._collect(made)
            case Forgotten():
                self._forgotten.add(made.page_id)

    def garbage(self, sizes: Mapping[int, int], compressors: Set[str]) -> Iterator[Garbage]:
        """What can go, of the contents that there are.

        ``sizes``: their bytes, as they were before the last line was taken in. ``compressors``:
        the names of those in use.
        """
        self._moments.sort()
        for content, page_id in self._replaced.items():
            if page_id not in self._forgotten and content in sizes:
                yield Garbage(REPLACED, content, page_id, sizes[content])
        yield from self._unreached_levels(sizes, compressors)
        for content, size in sizes.items():
            if content not in self._owners:
                if content not in self._collected:
                    yield Garbage(UNNAMED, content, None, size)
            elif self._owners[content] in self._forgotten:
                yield Garbage(REMAINS, content, self._owners[content], size)

    def _own(self, line: LogLine) -> None:
        page_id = getattr(line.operation, "page_id", None) or ""
        for content in contents_of(line):
            known = self._owners.setdefault(content, page_id)
            self._owners[content] = page_id if known == page_id else ""

    def _represent(self, made: Represented) -> None:
        """As the stores fold it: a model's own words stay, the latest take the place of others."""
        levels = self._levels.setdefault(made.page_id, {})
        place = made.version, made.level
        now, before = _Level(made.content, made.origin), levels.get(place)
        if before is not None and before.origin == MODEL and made.origin != MODEL:
            now, before = before, now
        if before is not None and before.origin != MODEL:
            self._replaced[before.content] = made.page_id
        levels[place] = now

    def _collect(self, made: Collected) -> None:
        gone = set(made.contents)
        self._collected |= gone
        for content in gone:
            self._replaced.pop(content, None)
        levels = self._levels.get(made.page_id or "", {})
        for place in [place for place, level in levels.items() if level.content in gone]:
            del levels[place]

    def _move(self, made: Operation) -> None:
        match made:
            case FaultedIn():
                self._mapped[str(made.session), made.page_id] = made.version, made.level
            case Demoted():
                place = str(made.session), made.page_id
                if place in self._mapped:
                    self._mapped[place] = self._mapped[place][0], made.level
            case Evicted():
                self._mapped.pop((str(made.session), made.page_id), None)

    def _unreached_levels(
        self, sizes: Mapping[int, int], compressors: Set[str]
    ) -> Iterator[Garbage]:
        shown: dict[str, set[tuple[int, int]]] = defaultdict(set)
        for (_, page_id), place in self._mapped.items():
            shown[page_id].add(place)
        for page_id, levels in self._levels.items():
            if page_id in self._forgotten:
                continue
            read = self._read_versions(page_id)
            for place, level in levels.items():
                if level.origin == MODEL or level.content not in sizes:
                    continue
                kind = OUTDATED if level.origin not in compressors else UNREAD
                if kind == OUTDATED or (place[0] not in read and place not in shown[page_id]):
                    yield Garbage(kind, level.content, page_id, sizes[level.content])

    def _read_versions(self, page_id: str) -> set[int]:
        """The versions that are the head of a branch now, or were at a moment to go back to."""
        moments = self._moments
        read: set[int] = set()
        for heads in self._heads.get(page_id, {}).values():
            read.add(heads[-1][1])
            for (since, version), (until, _) in pairwise(heads):
                if bisect_left(moments, since) < bisect_left(moments, until):
                    read.add(version)
        return read
