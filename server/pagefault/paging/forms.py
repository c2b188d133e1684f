"""Which smaller text a mapped page could be shown as at once, since it is kept already. Pure.

A page that has to yield is shown as its stub first, and only then let go. No stub is made while
others wait: it is made beside them, for the pages that will yield next, and noted here.
"""

from __future__ import annotations

from collections import OrderedDict

from ..base.page import Level
from .resident import Mapped

_PAGES = 4_096  # of which it is remembered


class Forms:
    """Page to the version, level and tokens of the smallest text that is kept of it."""

    def __init__(self) -> None:
        self._forms: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def learn(self, page_id: str, version: int, level: int, tokens: int) -> None:
        """So is the page kept; at level 0 where it has no smaller text."""
        self._forms[page_id] = (version, level, tokens)
        self._forms.move_to_end(page_id)
        if len(self._forms) > _PAGES:
            self._forms.popitem(last=False)

    def forget(self, page_id: str) -> None:
        """What is kept of the page has changed, or is gone."""
        self._forms.pop(page_id, None)

    def knows(self, page: Mapped) -> bool:
        """Whether there is nothing left to find out: it is known, or the page is shown so."""
        known = self._forms.get(page.page_id)
        return page.level >= Level.REFERENCE or (known is not None and known[0] == page.version)

    def smaller(self, page: Mapped) -> tuple[int, int] | None:
        """The level and tokens that the page can be shown with, less than it is shown with now."""
        version, level, tokens = self._forms.get(page.page_id, (0, 0, 0))
        if version != page.version or level <= page.level or tokens >= page.tokens:
            return None
        return level, tokens
