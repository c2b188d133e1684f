"""The working set: the one place that counts mapped tokens and says who yields.

`plan_*` methods decide and change nothing; `commit` and the small verbs below it carry a plan
out. Invariant: the tokens of the mapped pages never exceed the budget.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from .eviction import Policy, in_order
from .resident import Mapped


@dataclass(frozen=True, slots=True)
class Admission:
    """What mapping a page takes. ``page`` None: it does not fit, and nobody yields for it."""

    page: Mapped | None
    evicted: tuple[Mapped, ...] = ()
    remapped: bool = False  # it was mapped before, at another level or version
    touched: bool = False  # it was mapped just so: only its recency changes


class WorkingSet:
    """The pages mapped for one session, at most ``budget`` tokens of them.

    ``protection``: a faulted page is protected in this turn and in so many more; ``damping``: the
    same for a page that was evicted fewer turns ago than that, and came back. 0 is never.
    """

    def __init__(
        self,
        budget: int,
        policy: Policy,
        *,
        protection: int = 2,
        damping: int = 3,
        pages: Iterable[Mapped] = (),
        evicted: Iterable[tuple[str, int]] = (),
    ) -> None:
        self.budget = budget
        self.policy = policy
        self.protection = protection
        self.damping = damping
        self.turn = 0
        self._pages = {page.page_id: page for page in pages}
        self._evicted = dict(evicted)
        self._used = sum(page.tokens for page in self._pages.values())
        self._tick = max((page.touched for page in self._pages.values()), default=0)

    @property
    def used(self) -> int:
        """Tokens of the mapped pages."""
        return self._used

    @property
    def left(self) -> int:
        """Tokens still free."""
        return self.budget - self._used

    def __len__(self) -> int:
        return len(self._pages)

    def __contains__(self, page_id: str) -> bool:
        return page_id in self._pages

    def get(self, page_id: str) -> Mapped | None:
        """The mapped page, if it is mapped."""
        return self._pages.get(page_id)

    def pages(self) -> list[Mapped]:
        """All mapped pages, least recently used first."""
        return sorted(self._pages.values(), key=lambda page: page.touched)

    def pinned_tokens(self) -> int:
        """Tokens of the pages whose pin holds."""
        return sum(p.tokens for p in self._pages.values() if p.is_pinned(self.turn))

    def room(self, page_id: str | None = None) -> int:
        """The most tokens that a page, or the one with that id, could be mapped with.

        That is the budget without the other pins; for a pinned page, what they leave of the half
        that pins may hold.
        """
        known = self._pages.get(page_id) if page_id is not None else None
        if known is None or not known.is_pinned(self.turn):
            return self.budget - self.pinned_tokens()
        return self.budget // 2 - self.pinned_tokens() + known.tokens

    def plan(self, page: Mapped, *, faulted: bool = True) -> Admission:
        """How ``page`` would be mapped: touched, remapped, or admitted at others' cost.

        Others yield in this order: unprotected pages by the policy, then protected ones, the
        longest protected first. Pinned pages never yield. No more are named than are needed.
        """
        known = self._pages.get(page.page_id)
        if known is not None and _same(known, page):
            return Admission(replace(known, touched=self._tick + 1, turn=self.turn), touched=True)
        freed = known.tokens if known else 0
        if page.tokens > freed and page.tokens > self.room(page.page_id):
            return Admission(None)
        victims = self._victims(page.tokens - freed - self.left, page.page_id)
        wanted = self._placed(page, known, faulted)
        return Admission(wanted, victims, remapped=known is not None)

    def plan_fit(self) -> tuple[Mapped, ...]:
        """Who yields so that the pages fit a budget that has become smaller; pins last of all."""
        return self._victims(-self.left, None, pins_too=True)

    def commit(self, admission: Admission) -> None:
        """Carry an admission out."""
        for page in admission.evicted:
            self.evict(page.page_id)
        if admission.page is not None:
            self._put(admission.page)

    def demote(self, page_id: str, level: int, tokens: int) -> bool:
        """Show a mapped page at another level; False when it is not mapped, or is smaller."""
        page = self._pages.get(page_id)
        if page is None or page.tokens <= tokens:
            return False
        used = replace(page, touched=self._tick + 1, turn=self.turn)
        self._put(replace(used, level=level, tokens=tokens))
        return True

    def evict(self, page_id: str) -> bool:
        """Unmap a page; False when it was not mapped."""
        page = self._pages.pop(page_id, None)
        if page is None:
            return False
        self._used -= page.tokens
        self._evicted[page_id] = self.turn
        return True

    def forget(self, page_id: str) -> None:
        """Drop every trace of a page."""
        self.evict(page_id)
        self._evicted.pop(page_id, None)

    def pin(self, page_id: str, *, pinned: bool, until: int | None) -> None:
        """Set or lift a mapped page's pin."""
        page = self._pages[page_id]
        self._pages[page_id] = replace(page, pinned=pinned, pinned_until=until)

    def begin_turn(self, turn: int) -> None:
        """Time passes: protection and timed pins run out, old evictions are no longer damped."""
        self.turn = turn
        self._evicted = {
            page_id: when for page_id, when in self._evicted.items() if turn - when < self.damping
        }

    def _put(self, page: Mapped) -> None:
        known = self._pages.get(page.page_id)
        self._used += page.tokens - (known.tokens if known else 0)
        self._tick = max(self._tick + 1, page.touched)
        self._pages[page.page_id] = page
        self._evicted.pop(page.page_id, None)

    def _placed(self, page: Mapped, known: Mapped | None, faulted: bool) -> Mapped:
        protected = self._after(self.protection) if faulted else page.protected_until
        gone = self._evicted.get(page.page_id)
        if faulted and gone is not None and self.turn - gone < self.damping:
            protected = max(protected, self._after(self.damping))
        return replace(
            page,
            touched=self._tick + 1,
            turn=self.turn,
            mapped_turn=self.turn,
            protected_until=max(protected, known.protected_until if known else 0),
            pinned=known.pinned if known else page.pinned,
            pinned_until=known.pinned_until if known else page.pinned_until,
        )

    def _after(self, turns: int) -> int:
        """The turn after so many more turns than this one; the present does not count alone."""
        return self.turn + turns + 1 if turns else self.turn

    def _victims(
        self, needed: int, spared: str | None, *, pins_too: bool = False
    ) -> tuple[Mapped, ...]:
        """Who yields for ``needed`` tokens, or all who may where that is not enough."""
        if needed <= 0:
            return ()
        chosen: list[Mapped] = []
        for page in self._order(spared, pins_too=pins_too):
            if needed <= 0:
                break
            chosen.append(page)
            needed -= page.tokens
        return _no_more_than_needed(chosen, -needed)

    def _order(self, spared: str | None, *, pins_too: bool) -> list[Mapped]:
        there = [page for page in self._pages.values() if page.page_id != spared]
        free = [page for page in there if not page.is_pinned(self.turn)]
        unprotected = [page for page in free if not page.is_protected(self.turn)]
        protected = [page for page in free if page.is_protected(self.turn)]
        pins = [page for page in there if pins_too and page.is_pinned(self.turn)]
        protected.sort(key=lambda page: (page.mapped_turn, page.touched))
        pins.sort(key=lambda page: page.touched)
        return [*in_order(self.policy, unprotected), *protected, *pins]


def _same(known: Mapped, page: Mapped) -> bool:
    """Whether it is mapped just so; another count means another text at that level."""
    mapped = (known.version, known.level, known.tokens)
    return mapped == (page.version, page.level, page.tokens)


def _no_more_than_needed(chosen: list[Mapped], spare: int) -> tuple[Mapped, ...]:
    """Give back, last first, whoever turned out not to be needed for the ``spare`` tokens."""
    kept: list[Mapped] = []
    for page in reversed(chosen):
        if page.tokens <= spare:
            spare -= page.tokens
        else:
            kept.append(page)
    return tuple(reversed(kept))
