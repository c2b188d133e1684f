"""Least important first, and of one importance media before text of the same age.

An image, a recording or a film takes many tokens, and what it showed stays findable by its
caption or transcript. Equal to importance where pages do not differ in modality.
"""

from __future__ import annotations

from ..resident import Mapped
from .importance import standing
from .ranking import ByWeight, Weight

# By how many turns a medium counts as longer unused than it is.
_OLDER = {"image": 4, "audio": 4, "video": 8}


def _weight(page: Mapped) -> Weight:
    return (*standing(page), page.turn - _OLDER.get(page.modality, 0), page.touched)


# As by importance, but that a medium seems to have been used some turns earlier.
modality = ByWeight(_weight)
