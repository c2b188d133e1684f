"""How soon pages are used again, learned class by class from one session's own uses. Pure.

The longer a page has been idle, the less likely its next turn brings a use: about in inverse
proportion, in every kind of session that was measured. So idle time is counted in doublings. A
class has a rate of uses per doubling, and for each doubling a rate of its own, which is believed
the more, the more was seen; until then the class speaks for it, and for a class the pages of its
type and role, and for those what other sessions have shown (`habits`), or one number.

Derived, and approximate: after a restart the pages that are mapped tell of their last uses, and
what was learned before is learned anew.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import log, log1p
from types import MappingProxyType

from .resident import Mapped

HALF_LIFE = 50  # turns in which a use comes to count half

_DOUBLINGS = 12  # of idle turns that are told apart; the last stands for all beyond
_RATE = 0.5  # uses in a time e times as long, of pages nothing is known of
_CLASS = 4.0  # uses that have to be seen before a class is believed as much as what is above it
_DOUBLING = 8.0  # the same for one doubling of a class
_TIME = 32.0  # and the most that what is above it is worth, in logarithms of turns
_PAGES = 4096  # whose last use is remembered; before that, the longest idle counts as unused

# Uses in a time e times as long: of the class at large, and for each doubling of idle turns.
Rates = tuple[float, Sequence[float]]
_KNOWING_NOTHING: Rates = (_RATE, (_RATE,) * _DOUBLINGS)

# The pages that are thought to be used alike: type and role, and a power of four of the tokens.
Class = tuple[str, str | None, int]
Key = tuple[object, ...]  # a class, or what several belong to


@dataclass(frozen=True, slots=True)
class _Last:
    """A page's last use."""

    kind: Class
    turn: int
    uses: float
    tokens: int


@dataclass(slots=True)
class Seen:
    """Uses, and time in which there could have been some, by doublings of idle turns."""

    uses: list[float] = field(default_factory=lambda: [0.0] * _DOUBLINGS)
    time: list[float] = field(default_factory=lambda: [0.0] * _DOUBLINGS)

    def idle(self, turns: int, times: int = 1) -> None:
        """So many pages were idle for so many turns."""
        for doubling, time in enumerate(_times(turns)):
            self.time[doubling] += time * times

    def copy(self) -> Seen:
        """One that can be counted on without changing this."""
        return Seen(list(self.uses), list(self.time))

    def add(self, other: Seen) -> None:
        """Count what was seen elsewhere as well."""
        self.uses = [mine + more for mine, more in zip(self.uses, other.uses, strict=True)]
        self.time = [mine + more for mine, more in zip(self.time, other.time, strict=True)]


class Reuse:
    """The session's uses so far. ``tokens``: of all the pages it has had, each once.

    ``taught``: what other sessions have shown, as the first guess.
    """

    def __init__(self, taught: Mapping[Key, Seen] = MappingProxyType({})) -> None:
        self.tokens = 0
        self._taught = taught
        self._priors: dict[Class, Rates] = {}
        self._last: OrderedDict[str, _Last] = OrderedDict()
        self._seen: dict[Key, Seen] = {}

    def uses(self, page_id: str, turn: int) -> float:
        """In how many turns the page will have been used when it is used in this one as well."""
        last = self._last.get(page_id)
        if last is None:
            return 1.0
        if turn <= last.turn:
            return last.uses
        faded: float = 0.5 ** ((turn - last.turn) / HALF_LIFE)
        return 1.0 + last.uses * faded

    def class_of(self, page: Mapped) -> Class:
        """The page's class: by the most tokens that it was used with."""
        last = self._last.get(page.page_id)
        return last.kind if last else _class(page, page.tokens)

    def used(self, page: Mapped, turn: int) -> None:
        """The page is used in that turn: a second use in one turn tells nothing new."""
        last = self._last.get(page.page_id)
        if last is not None and turn <= last.turn:
            return
        tokens = page.tokens
        if last is None:
            self.tokens += tokens
        else:
            tokens = max(tokens, last.tokens)  # at a smaller level it is still the same page
            self.tokens += tokens - last.tokens
            self._learn(last.kind, turn - last.turn, again=True)
        uses = self.uses(page.page_id, turn)
        self._last[page.page_id] = _Last(_class(page, tokens), turn, uses, tokens)
        self._last.move_to_end(page.page_id)
        if len(self._last) > _PAGES:
            _, oldest = self._last.popitem(last=False)
            self._learn(oldest.kind, turn - oldest.turn, again=False)

    def forget(self, page_id: str) -> None:
        """Drop every trace of a page but that its class was idle, or was not."""
        last = self._last.pop(page_id, None)
        if last is not None:
            self.tokens -= last.tokens

    def chances(self, turn: int) -> Chances:
        """What has been learned up to that turn, the idle time of every page included."""
        return Chances(self._all(turn), self._prior)

    def taught(self) -> Mapping[Key, Seen]:
        """What it has to tell other sessions: its own uses, up to the last of them."""
        return self._all(max((last.turn for last in self._last.values()), default=0))

    def _all(self, turn: int) -> dict[Key, Seen]:
        seen = {key: each.copy() for key, each in self._seen.items()}
        waiting = Counter((last.kind, turn - last.turn) for last in self._last.values())
        for (kind, idle), pages in waiting.items():
            for key in _above(kind):
                seen.setdefault(key, Seen()).idle(idle, pages)
        return seen

    def _prior(self, kind: Class) -> Rates:
        if kind not in self._priors:
            self._priors[kind] = _learned(_KNOWING_NOTHING, self._taught, kind)
        return self._priors[kind]

    def _learn(self, kind: Class, idle: int, *, again: bool) -> None:
        for key in _above(kind):
            seen = self._seen.setdefault(key, Seen())
            seen.idle(idle)
            if again:
                seen.uses[_doubling(idle)] += 1


class Chances:
    """How likely pages are to be used again, as far as a session has told."""

    def __init__(self, seen: Mapping[Key, Seen], prior: Callable[[Class], Rates]) -> None:
        self._seen = seen
        self._prior = prior
        self._rates: dict[Class, Sequence[float]] = {}
        self._soon: dict[tuple[Class, int], float] = {}

    def soon(self, kind: Class, idle: int) -> float:
        """Uses per turn that keeping a page brings that has been idle for so many turns.

        That is the chance of a use over the turns that it is kept for, at best: a page may be
        worth keeping for a use that is some turns away. At most 1.
        """
        idle = _roughly(idle)
        key = (kind, idle)
        if key not in self._soon:
            self._soon[key] = _best(self._rates_of(kind), idle + 1)
        return self._soon[key]

    def _rates_of(self, kind: Class) -> Sequence[float]:
        """Uses in a time e times as long, for each doubling of idle turns."""
        if kind not in self._rates:
            _, self._rates[kind] = _learned(self._prior(kind), self._seen, kind)
        return self._rates[kind]


def _learned(prior: Rates, seen_of: Mapping[Key, Seen], kind: Class) -> Rates:
    """The rates of a class when what was seen of it, and of what it belongs to, is known."""
    rate, rates = prior
    for key in _above(kind):
        seen = seen_of.get(key) or Seen()
        told = _posterior(rate, _CLASS, sum(seen.uses), sum(seen.time))
        rates = [each * told / rate for each in rates]
        rates = [
            _posterior(*parts)
            for parts in zip(rates, [_DOUBLING] * _DOUBLINGS, seen.uses, seen.time, strict=True)
        ]
        rate = told
    return rate, rates


def _above(kind: Class) -> Iterable[Key]:
    """What a class belongs to, the widest first, and itself."""
    return (kind[:2], kind)


def _posterior(prior: float, strength: float, uses: float, time: float) -> float:
    """The mean rate after ``uses`` in ``time``, the prior being worth ``strength`` uses.

    It is never worth more than so much time: else a low prior would be the hardest to unlearn.
    """
    strength = min(strength, prior * _TIME)
    return (strength + uses) / (strength / prior + time)


def _class(page: Mapped, tokens: int) -> Class:
    return page.page_type, page.role, (max(tokens, 1).bit_length() - 1) // 2


def _doubling(idle: int) -> int:
    return min(idle.bit_length(), _DOUBLINGS) - 1


@lru_cache(maxsize=1024)
def _times(idle: int) -> tuple[float, ...]:
    """The time, in logarithms of turns, that a page idle for so long has spent in each doubling."""
    if idle < 1:
        return ()
    last = _doubling(idle)
    return (*([log(2)] * last), log((idle + 1) / 2**last))


def _roughly(idle: int) -> int:
    """Turns to one part in eight, so that few ages have to be told apart."""
    beyond = max(idle.bit_length() - 4, 0)
    return idle >> beyond << beyond


def _best(rates: Sequence[float], age: int) -> float:
    """Uses per turn from that age on, for the best time to keep the page that long."""
    at = _doubling(age)
    best = min(1.0, rates[at] * log1p(1 / age))
    kept = used = 0.0
    idle = 1.0  # the chance that there was no use yet
    start = float(age)
    for doubling in range(at, _DOUBLINGS):
        rate, end = rates[doubling], 2.0 ** (doubling + 1)
        still = (start / end) ** rate
        used += idle * (1 - still)
        kept += idle * _lasting(start, end, rate)
        best = max(best, used / kept)
        idle *= still
        start = end
    return min(best, 1.0)


def _lasting(start: float, end: float, rate: float) -> float:
    """How many turns from ``start`` to ``end`` pass on average without a use before them."""
    if abs(rate - 1) < 1e-6:
        return start * log(end / start)
    return float(start**rate * (end ** (1 - rate) - start ** (1 - rate)) / (1 - rate))
