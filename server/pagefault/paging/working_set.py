"""The working set: the one place that counts mapped tokens and says who yields.

`plan_*` methods decide and change nothing; `commit` and the small verbs below it carry a plan
out. Invariant: the tokens of the mapped pages never exceed the budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from . import demotion
from .eviction import ByWeight, Policy, Ranks, in_order
from .forms import Forms
from .resident import Mapped
from .reuse import Reuse
from .thrash import Thrash

_AHEAD = 4  # turns like the last whose evictions are looked at when room runs out


@dataclass(frozen=True, slots=True)
class Admission:
    """What mapping a page takes. ``page`` None: it does not fit, and nobody yields for it.

    ``demoted``: of those who yield, whose stub still fits into what that frees.
    """

    page: Mapped | None
    evicted: tuple[Mapped, ...] = ()
    demoted: tuple[demotion.Step, ...] = ()
    remapped: bool = False  # it was mapped before, at another level or version
    touched: bool = False  # it was mapped just so: only its recency changes


@dataclass(frozen=True, slots=True)
class Learned:
    """What a set has learned of its session; it outlives a set that is read anew."""

    reuse: Reuse = field(default_factory=Reuse)
    thrash: Thrash = field(default_factory=Thrash)
    forms: Forms = field(default_factory=Forms)


class WorkingSet:
    """The pages mapped for one session, at most ``budget`` tokens of them.

    ``protection``: a faulted page is protected in this turn and in so many more; ``damping``: the
    same for a page that was evicted fewer turns ago than that, and came back. 0 is never.
    ``learned``: of an earlier set of the session, if there was one.
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
        learned: Learned | None = None,
    ) -> None:
        self.budget = budget
        self._policy = policy
        self.protection = protection
        self.damping = damping
        self.turn = 0
        self.learned = learned or Learned()
        self._pages: dict[str, Mapped] = {}
        self._pins: set[str] = set()
        self._shrunk: set[str] = set()  # that are stubs for want of room
        self._rank()
        for page in pages:
            self._place(self._known(page))
        self._evicted = dict(evicted)
        self._used = sum(page.tokens for page in self._pages.values())
        self._tick = max((page.touched for page in self._pages.values()), default=0)
        self._came = self._coming = 0  # tokens mapped anew in the turn before, and in this one

    @property
    def used(self) -> int:
        """Tokens of the mapped pages."""
        return self._used

    @property
    def policy(self) -> Policy:
        """Who yields first; another one can be set at any time."""
        return self._policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        if policy is not self._policy:
            self._policy = policy
            self._rank()

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
        pins = (self._pages[page_id] for page_id in self._pins)
        return sum(page.tokens for page in pins if page.is_pinned(self.turn))

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

        Others yield in this order: what are stubs for want of room, unprotected pages by the
        policy, then protected ones, the longest protected first. Pinned pages never yield. No more
        are named than are needed.
        """
        known = self._pages.get(page.page_id)
        if known is not None and _same(known, page):
            return Admission(self._touched(known), touched=True)
        freed = known.tokens if known else 0
        if page.tokens > freed and page.tokens > self.room(page.page_id):
            return Admission(None)
        needed = page.tokens - freed - self.left
        victims = self._victims(needed, page.page_id)
        stubs = self._stubs(victims, sum(victim.tokens for victim in victims) - needed)
        return Admission(
            self._placed(page, known, faulted),
            tuple(victim for victim in victims if victim.page_id not in stubs),
            tuple(stubs.values()),
            remapped=known is not None,
        )

    def plan_fit(self) -> tuple[Mapped, ...]:
        """Who yields so that the pages fit a budget that has become smaller; pins last of all."""
        return self._victims(-self.left, None, pins_too=True)

    def plan_idle(self) -> tuple[demotion.Step, ...]:
        """Who goes before anybody has to, at the beginning of a turn: nobody while there is room.

        There is none when a turn like the one before would not fit into what is left. Then so
        much is freed at once, since each change of the context costs: of the pages that would
        yield within a few such turns anyway, those that are not worth keeping until then. Nobody
        goes while pages that went keep coming back. Who has a stub is shown as that first.
        """
        short = min(self._came, self.budget) - self.left
        if short <= 0 or self.learned.thrash.high:
            return ()
        next_ones = self._victims(short * _AHEAD, None)
        forms = {page.page_id: self.learned.forms.smaller(page) for page in next_ones}
        smaller = {page_id: form for page_id, form in forms.items() if form is not None}
        due = demotion.due(next_ones, self.turn, self.learned.reuse, smaller=smaller)
        chosen: list[demotion.Step] = []
        for step in due:
            if short <= 0:
                break
            chosen.append(step)
            short -= step.page.tokens - step.tokens
        return tuple(chosen)

    def unprepared(self) -> list[Mapped]:
        """Who would yield within a few turns like these, and could be shown as a stub first."""
        coming = max(self._came, self._coming)
        next_ones = self._victims(coming * _AHEAD - self.left, None)
        return [page for page in next_ones if not self.learned.forms.knows(page)]

    def commit(self, admission: Admission) -> None:
        """Carry an admission out."""
        for page in admission.evicted:
            self.give_way(page.page_id)
        for step in admission.demoted:
            self.shrink(step)
        wanted = admission.page
        if wanted is None:
            return
        known = self._pages.get(wanted.page_id)
        grows = wanted.tokens - (known.tokens if known else 0)
        if grows > 0:
            self._coming += grows
            self.learned.thrash.mapped(wanted.page_id)
        self._put(wanted)
        self.learned.reuse.used(wanted, self.turn)

    def demote(self, page_id: str, level: int, tokens: int) -> bool:
        """Show a mapped page at another level; False when it is not mapped, or is smaller."""
        page = self._pages.get(page_id)
        if page is None or page.tokens <= tokens:
            return False
        used = replace(page, touched=self._tick + 1, turn=self.turn)
        self._put(replace(used, level=level, tokens=tokens, whole=0))
        return True

    def shrink(self, step: demotion.Step) -> bool:
        """Let a page go, or show it as its stub, for want of room; False when it is not so mapped.

        It was last used when it was, and is as dear to lose as it was.
        """
        page = self._pages.get(step.page.page_id)
        if step.level is None:
            return self.give_way(step.page.page_id)
        if page is None or page.tokens <= step.tokens:
            return False
        self.learned.thrash.evicted(page.page_id, page.tokens - step.tokens, self.turn)
        self._used += step.tokens - page.tokens
        whole = max(page.tokens, page.whole)
        self._place(replace(page, level=step.level, tokens=step.tokens, whole=whole))
        return True

    def give_way(self, page_id: str) -> bool:
        """Unmap a page for want of room, which no one asked for; False when it was not mapped."""
        page = self._pages.get(page_id)
        if page is not None:
            self.learned.thrash.evicted(page_id, page.tokens, self.turn)
        return self.evict(page_id)

    def evict(self, page_id: str) -> bool:
        """Unmap a page; False when it was not mapped."""
        page = self._pages.pop(page_id, None)
        if page is None:
            return False
        self._pins.discard(page_id)
        self._shrunk.discard(page_id)
        if self._ranks is not None:
            self._ranks.drop(page_id)
        self._used -= page.tokens
        self._evicted[page_id] = self.turn
        return True

    def forget(self, page_id: str) -> None:
        """Drop every trace of a page."""
        self.evict(page_id)
        self._evicted.pop(page_id, None)
        self.learned.reuse.forget(page_id)
        self.learned.forms.forget(page_id)

    def pin(self, page_id: str, *, pinned: bool, until: int | None) -> None:
        """Set or lift a mapped page's pin."""
        page = self._pages[page_id]
        self._place(replace(page, pinned=pinned, pinned_until=until))

    def supersede(self, page_id: str, *, superseded: bool) -> None:
        """Note whether another page stands in the place of a page, if that is mapped."""
        page = self._pages.get(page_id)
        if page is not None and page.superseded != superseded:
            self._place(replace(page, superseded=superseded))

    def begin_turn(self, turn: int) -> None:
        """Time passes: protection and timed pins run out, old evictions are no longer damped."""
        if turn > self.turn:
            self._came, self._coming = self._coming, 0
        self.turn = turn
        self.learned.thrash.begin_turn(turn)
        self._evicted = {
            page_id: when for page_id, when in self._evicted.items() if turn - when < self.damping
        }

    def _rank(self) -> None:
        """Keep the pages in the policy's order from now on, where it weighs each by itself."""
        policy = self._policy
        self._ranks = Ranks(policy) if isinstance(policy, ByWeight) else None
        if self._ranks is not None:
            for page in self._pages.values():
                self._ranks.put(page)

    def _put(self, page: Mapped) -> None:
        known = self._pages.get(page.page_id)
        self._used += page.tokens - (known.tokens if known else 0)
        self._tick = max(self._tick + 1, page.touched)
        self._place(page)
        self._evicted.pop(page.page_id, None)

    def _place(self, page: Mapped) -> None:
        self._pages[page.page_id] = page
        (self._pins.add if page.pinned else self._pins.discard)(page.page_id)
        (self._shrunk.add if page.whole else self._shrunk.discard)(page.page_id)
        if self._ranks is not None:
            self._ranks.put(page)

    def _known(self, page: Mapped) -> Mapped:
        """A page that was mapped before this set was made, with what is known of its uses."""
        self.learned.reuse.used(page, page.turn)
        return replace(page, uses=self.learned.reuse.uses(page.page_id, page.turn))

    def _touched(self, known: Mapped) -> Mapped:
        uses = self.learned.reuse.uses(known.page_id, self.turn)
        return replace(known, touched=self._tick + 1, turn=self.turn, uses=uses)

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
            uses=self.learned.reuse.uses(page.page_id, self.turn),
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

    def _stubs(self, victims: Sequence[Mapped], spare: int) -> dict[str, demotion.Step]:
        """Which of them can stay as stubs within ``spare`` tokens; the last to go first.

        Nobody else yields for them, now or later: they are the first to go when room is needed
        again, and then free what they took.
        """
        stubs: dict[str, demotion.Step] = {}
        for page in reversed(victims):
            form = self.learned.forms.smaller(page)
            if form is not None and form[1] <= spare:
                stubs[page.page_id] = demotion.Step(page, *form)
                spare -= form[1]
        return stubs

    def _order(self, spared: str | None, *, pins_too: bool) -> Iterator[Mapped]:
        """Who may yield, in order; what comes later is looked at only when it is asked for."""
        turn = self.turn
        protected: list[Mapped] = []
        pins: list[Mapped] = []
        shrunk = sorted(map(self._pages.__getitem__, self._shrunk), key=lambda page: page.touched)
        stubs = [page for page in shrunk if not (page.is_pinned(turn) or page.is_protected(turn))]
        yield from (page for page in stubs if page.page_id != spared)
        gone = {page.page_id for page in stubs}
        for page in self._by_policy(spared):
            if page.page_id == spared or page.page_id in gone:
                continue
            if page.is_pinned(turn):
                pins.append(page)
            elif page.is_protected(turn):
                protected.append(page)
            else:
                yield page
        yield from sorted(protected, key=lambda page: (page.mapped_turn, page.touched))
        if pins_too:
            yield from sorted(pins, key=lambda page: page.touched)

    def _by_policy(self, spared: str | None) -> Iterable[Mapped]:
        """The pages, of which those that may go are in the policy's order."""
        if self._ranks is not None:
            return (self._pages[page_id] for page_id in self._ranks)
        free: list[Mapped] = []
        others: list[Mapped] = []
        for page in self._pages.values():
            kept = page.is_pinned(self.turn) or page.is_protected(self.turn)
            (others if kept or page.page_id == spared else free).append(page)
        return [*in_order(self._policy, free), *others]


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
