"""Which pages nobody has used for long: a fold over the whole log, and a decision. Pure.

What was said and what tools answered is archived when it is old. What somebody made of it (claims,
summaries, procedures) is meant to last, and is archived only once another page supersedes it. What
a session maps or pins is in use, however long ago it was last read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ..base.log import (
    Archived,
    Demoted,
    Evicted,
    Faulted,
    FaultedIn,
    Forgotten,
    LogLine,
    Operation,
    PageAdded,
    Pinned,
    Represented,
    Reverted,
    Superseded,
    Touched,
    Unarchived,
    VersionAdded,
    contents_of,
)

_PASSING: Final = ("transcript", "artifact")
_USES: Final = (VersionAdded, Reverted, Faulted, FaultedIn, Touched, Unarchived)


@dataclass(slots=True)
class Unused:
    """A page, when it was last used (Unix seconds), and what it holds beside blobs.

    ``session`` is the one it was made in. ``contents``: of its versions, levels, hints and event.
    """

    page_id: str
    page_type: str
    session: str
    used: float
    contents: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Uses:
    """The log of one workspace, all of it, taken in line by line."""

    _pages: dict[str, Unused] = field(default_factory=dict)
    _archived: set[str] = field(default_factory=set)
    _mapped: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _pinned: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _links: dict[str, str | None] = field(default_factory=dict)  # those of each page's own session

    def take(self, line: LogLine) -> None:
        """What follows from the next line."""
        made = line.operation
        if isinstance(made, PageAdded):
            page = Unused(made.page_id, made.page_type, str(made.session), line.at)
            self._pages[made.page_id] = page
        found = self._pages.get(getattr(made, "page_id", None) or "")
        if found is None:
            return
        if isinstance(made, PageAdded | VersionAdded | Represented):
            found.contents.update(set(contents_of(made)) - set(getattr(made, "blobs", ())))
        if _is_use(made):
            found.used = max(found.used, line.at)
        self._place(made, found)

    def unused(self, before: float, session: str | None = None) -> Iterator[Unused]:
        """The pages to archive, in the order in which they were made.

        None of them was used at ``before`` (Unix seconds) or since; all are of the session, if
        one is named.
        """
        for page in self._pages.values():
            if page.used < before and session in (None, page.session) and self._may_go(page):
                yield page

    def _may_go(self, page: Unused) -> bool:
        in_use = self._mapped.get(page.page_id) or self._pinned.get(page.page_id)
        if in_use or page.page_id in self._archived:
            return False
        return page.page_type in _PASSING or self._links.get(page.page_id) in self._pages

    def _place(self, made: Operation, page: Unused) -> None:
        """Where the page is by now: what maps, pins, links or archives it."""
        match made:
            case FaultedIn() | Demoted():
                self._mapped[page.page_id].add(str(made.session))
            case Evicted():
                self._mapped[page.page_id].discard(str(made.session))
            case Pinned():
                pins = self._pinned[page.page_id]
                (pins.add if made.pinned else pins.discard)(str(made.session))
            case Superseded() if made.session == page.session:
                self._links[page.page_id] = made.by
            case Archived():
                self._archived.add(page.page_id)
            case Unarchived():
                self._archived.discard(page.page_id)
            case Forgotten():
                del self._pages[page.page_id]


def _is_use(made: Operation) -> bool:
    """Whether somebody, or a message that referred to the page, has used it."""
    if isinstance(made, Demoted):
        return made.cause is None
    return isinstance(made, _USES) or (isinstance(made, Pinned) and made.pinned)
