"""Where a session stood: a fold over the lines of its log, and what two such moments differ in.

Pure: the lines are those of the kinds `base.log.MOVES`, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..base.log import (
    Demoted,
    Evicted,
    FaultedIn,
    LogLine,
    PageAdded,
    Pinned,
    Reverted,
    Superseded,
    VersionAdded,
)


@dataclass(frozen=True, slots=True)
class Place:
    """How a page was mapped. ``level`` None: it had been mapped, and was evicted."""

    version: int
    level: int | None
    tokens: int
    protected_until: int = 0


@dataclass(frozen=True, slots=True)
class Branch:
    """A session and the last log position that counts of it, None for all of them."""

    session: str
    upto: int | None = None

    def holds(self, session: str | None, position: int) -> bool:
        """Whether something that happened in a session, at a position, counts."""
        return session == self.session and (self.upto is None or position <= self.upto)

    def until(self, position: int) -> Branch:
        """The branch as it was at a position."""
        upto = position if self.upto is None else min(position, self.upto)
        return replace(self, upto=upto)


@dataclass(slots=True)
class Past:
    """A session at a moment: its pages, the least lately placed first, and its pins.

    ``position`` of the last line that counts. ``pins``: page to the last turn of its pin, None for
    a pin for good.
    """

    position: int = 0
    turn: int = 0
    places: dict[str, Place] = field(default_factory=dict)
    pins: dict[str, int | None] = field(default_factory=dict)

    @property
    def mapped(self) -> dict[str, Place]:
        """The pages that were mapped."""
        return {page: place for page, place in self.places.items() if place.level is not None}

    def take(self, line: LogLine) -> None:
        """What follows from a line."""
        self.position, self.turn = line.position, line.turn
        match line.operation:
            case FaultedIn() as mapped:
                place = Place(mapped.version, mapped.level, mapped.tokens, mapped.protected_until)
                self._put(mapped.page_id, place)
            case Demoted() as demoted:
                self._change(demoted.page_id, demoted.level, demoted.tokens)
            case Evicted() as evicted:
                self._change(evicted.page_id, None, 0)
            case Pinned() as pin:
                self.pins.pop(pin.page_id, None)
                if pin.pinned:
                    self.pins[pin.page_id] = pin.until_turn

    def forget(self, page_id: str) -> None:
        """A page was deleted for good by then."""
        self.places.pop(page_id, None)
        self.pins.pop(page_id, None)

    def _change(self, page_id: str, level: int | None, tokens: int) -> None:
        known = self.places.get(page_id)
        if known is not None:
            self._put(page_id, replace(known, level=level, tokens=tokens))

    def _put(self, page_id: str, place: Place) -> None:
        self.places.pop(page_id, None)
        self.places[page_id] = place


def kept(places: Mapping[str, Place], pins: Mapping[str, int | None]) -> bytes:
    """What is mapped and pinned at a moment, as a checkpoint keeps it."""
    rows = [
        (page_id, place.version, place.level, place.tokens, place.protected_until)
        for page_id, place in places.items()
    ]
    return json.dumps({"places": rows, "pins": dict(pins)}, separators=(",", ":")).encode()


def read_kept(text: str, position: int, turn: int) -> Past:
    """The moment that `kept` wrote down."""
    value = json.loads(text)
    places = {page_id: Place(*fields) for page_id, *fields in value["places"]}
    return Past(position, turn, places, value["pins"])


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of a session's pages. ``shown``: of those mapped all the while, as before, now.

    ``written``: pages and their versions that were written, or gone back to.
    """

    mapped: dict[str, Place]
    released: dict[str, Place]
    shown: dict[str, tuple[Place, Place]]
    pinned: tuple[str, ...]
    unpinned: tuple[str, ...]
    written: dict[str, int] = field(default_factory=dict)


def changes(before: Past, after: Past) -> Changes:
    """What differs between two moments; the lines between them say what was written."""
    old, new = before.mapped, after.mapped
    return Changes(
        mapped={page: place for page, place in new.items() if page not in old},
        released={page: place for page, place in old.items() if page not in new},
        shown={
            page: (old[page], place)
            for page, place in new.items()
            if page in old and _shown(old[page]) != _shown(place)
        },
        pinned=tuple(page for page in after.pins if page not in before.pins),
        unpinned=tuple(page for page in before.pins if page not in after.pins),
    )


def head(lines: Iterable[LogLine], lineage: Sequence[Branch]) -> int | None:
    """The version that a session read, by all lines of the page; None if it was not there yet.

    ``lineage``: the session's branches, its own first, each up to the moment that is meant.
    """
    made = [line for line in lines if _version(line) is not None]
    home = made[0].operation.session if made else None
    moment = lineage[0].upto
    for branch in (*lineage, Branch(str(home), moment)):
        for line in reversed(made):
            if branch.holds(line.operation.session, line.position):
                return _version(line)
    return None


def link(lines: Iterable[LogLine], lineage: Sequence[Branch], alive: Collection[str]) -> str | None:
    """What a page was superseded by, as the session read it, by all lines of the page.

    ``lineage`` as for `head`; ``alive``: of the pages that the lines name, those not forgotten.
    """
    links: list[tuple[LogLine, Superseded]] = []
    branches = list(lineage)
    for line in lines:
        made = line.operation
        if isinstance(made, PageAdded):
            home = Branch(str(made.session), lineage[0].upto)
            if not any(branch.holds(made.session, line.position) for branch in lineage):
                branches.append(home)
        elif isinstance(made, Superseded) and (made.by is None or made.by in alive):
            links.append((line, made))
    for branch in branches:
        for line, made in reversed(links):
            if branch.holds(made.session, line.position):
                return made.by
    return None


def _version(line: LogLine) -> int | None:
    operation = line.operation
    if isinstance(operation, PageAdded):
        return 1
    return operation.version if isinstance(operation, VersionAdded | Reverted) else None


def _shown(place: Place) -> tuple[int, int | None, int]:
    return place.version, place.level, place.tokens
