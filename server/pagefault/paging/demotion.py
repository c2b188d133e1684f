"""Demotion before eviction: which idle pages cost more to keep than to fault back. Pure.

Keeping a page costs a little in every turn, a fault costs once and more. One rule for all: a page
is due when what its tokens cost per turn exceeds its chance of being used (`Reuse`, learned from
the session's own uses) times what its fault would cost. So large pages are due sooner than small
ones, and each class of pages after the idle time that the session has taught.

Pages go in batches: a page that leaves changes the context from its place on, which the host's
prompt cache has then to read anew. A batch goes when it saves more than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from .resident import Mapped
from .reuse import Reuse


@dataclass(frozen=True, slots=True)
class Prices:
    """In tokens of fresh input. ``keep``: a mapped token in one turn, read from the cache.

    A fault: ``overhead`` for the call, ``reload`` for each token of the page, and ``reread`` for
    each token that the session has had so far: its context is read once more, and about half of
    what there was is in it. ``broken``: each token behind a page that leaves the context.
    """

    keep: float = 0.1
    overhead: float = 750
    reload: float = 1.25
    reread: float = 0.05
    broken: float = 0.1


PRICES = Prices()


@dataclass(frozen=True, slots=True)
class Step:
    """A page is shown at ``level`` with ``tokens`` from now on; level None, tokens 0: released."""

    page: Mapped
    level: int | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class _Due:
    """A step that pays: ``saving`` per turn, of a page that was ``idle`` for so many turns."""

    step: Step
    saving: float
    idle: int


def plan(
    pages: Iterable[Mapped],
    turn: int,
    reuse: Reuse,
    *,
    smaller: Mapping[str, tuple[int, int]] = MappingProxyType({}),
    prices: Prices = PRICES,
) -> tuple[Step, ...]:
    """Every page that should go in that turn, in one batch; none where it does not pay yet.

    ``smaller``: page id to the level and tokens of a form that a page can be shown in instead of
    being released.
    """
    order = sorted(pages, key=lambda page: (page.mapped_turn, page.touched))
    found = _due(order, turn, reuse, smaller, prices)
    return _batch(order, {one.step.page.page_id: one for one in found}, prices.broken)


def due(
    pages: Iterable[Mapped],
    turn: int,
    reuse: Reuse,
    *,
    smaller: Mapping[str, tuple[int, int]] = MappingProxyType({}),
    prices: Prices = PRICES,
) -> tuple[Step, ...]:
    """Those of the pages that should go in that turn, in their order, be it a batch or not.

    Not the pinned, the protected, and those used in this turn.
    """
    return tuple(one.step for one in _due(pages, turn, reuse, smaller, prices))


def _due(
    pages: Iterable[Mapped],
    turn: int,
    reuse: Reuse,
    smaller: Mapping[str, tuple[int, int]],
    prices: Prices,
) -> list[_Due]:
    chances = reuse.chances(turn)
    found = []
    for page in pages:
        idle = turn - page.turn
        if idle < 1 or page.is_pinned(turn) or page.is_protected(turn):
            continue
        step = _step(page, smaller.get(page.page_id))
        fault = prices.overhead + prices.reload * page.tokens + prices.reread * reuse.tokens
        lost = chances.soon(reuse.class_of(page), idle) * fault
        saving = prices.keep * (page.tokens - step.tokens) - lost
        if saving > 0:
            found.append(_Due(step, saving, idle))
    return found


def _step(page: Mapped, form: tuple[int, int] | None) -> Step:
    """To the smaller form, where there is one; a page that is shown so already is released."""
    if form is not None and form[1] < page.tokens:
        return Step(page, *form)
    return Step(page)


def _batch(order: Sequence[Mapped], due: Mapping[str, _Due], broken: float) -> tuple[Step, ...]:
    """The largest end of the context whose due pages save what changing it costs.

    How long a page will be idle yet is not known; as long as it has been is a fair guess.
    """
    chosen: list[Step] = []
    pays = behind = 0
    saved = 0.0
    for page in reversed(order):
        one = due.get(page.page_id)
        if one is None:
            behind += page.tokens
            continue
        chosen.append(one.step)
        saved += one.saving * one.idle
        if saved >= broken * behind:
            pays = len(chosen)
    return tuple(chosen[:pays])
