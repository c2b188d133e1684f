"""Cheapest to lose first: seldom used, long ago, large; the GreedyDual-Size-Frequency family.

What a page is worth per token falls by half in every so many turns without a use. All pages age
alike, so no clock is kept: who comes first does not change with the passing of time.
"""

from __future__ import annotations

from math import log2

from ..resident import Mapped
from ..reuse import HALF_LIFE
from .ranking import ByWeight, Weight

# What a fault costs beside its tokens, in tokens: a call, and the model's attention.
_FAULT = 750


def _weight(page: Mapped) -> Weight:
    """The logarithm of what a token of the page is worth, but for a term common to all.

    Of a fault's cost per token kept, the square root counts: in full, it drives out every large
    page, which saves faults and wastes tokens.
    """
    size = max(page.tokens, page.whole, 1)  # a stub in its place makes nobody dearer to lose
    worth = log2(page.uses) + page.turn / HALF_LIFE + log2((_FAULT + size) / size) / 2
    return (worth, page.touched)


# By uses, cost of a fault for each token kept, and turn of the last use; then by last use.
cost = ByWeight(_weight)
