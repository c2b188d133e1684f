"""Ids of new workspaces."""

from __future__ import annotations

import re
from collections.abc import Collection


def slug(name: str) -> str:
    """A name as an id: letters, digits, dots, dashes and underscores, at most 64."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:64] or "default"


def free_id(wanted: str, taken: Collection[str]) -> str:
    """The id that is wanted, else the first of ``wanted-2``, ``wanted-3``, … that is free."""
    number = 2
    chosen = wanted
    while chosen in taken:
        chosen, number = f"{wanted}-{number}", number + 1
    return chosen
