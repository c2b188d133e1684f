"""A mapped page as the working set sees it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mapped:
    """One mapped page. ``touched`` orders by last use, turns are the session's own numbers.

    ``protected_until`` is the first turn in which it is not protected any more, ``pinned_until``
    the last in which a pin holds; None with ``pinned`` True is a pin for good. ``uses``: in how
    many turns it was used, old ones counting less; the set works it out (`Reuse.uses`). ``whole``:
    the tokens that it was used with, where want of room has made it smaller since. ``archived``:
    the page was, when it was read to be mapped.
    """

    page_id: str
    version: int
    level: int
    tokens: int
    page_type: str
    importance: float
    touched: int
    turn: int
    mapped_turn: int = 0
    protected_until: int = 0
    pinned: bool = False
    pinned_until: int | None = None
    role: str | None = None
    modality: str = "text"
    superseded: bool = False
    uses: float = field(default=1.0, compare=False)
    whole: int = field(default=0, compare=False)
    archived: bool = field(default=False, compare=False)

    def is_pinned(self, turn: int) -> bool:
        """Whether the pin still holds in that turn."""
        return self.pinned and (self.pinned_until is None or turn <= self.pinned_until)

    def is_protected(self, turn: int) -> bool:
        """Whether it was faulted in so lately that others yield first."""
        return turn < self.protected_until
