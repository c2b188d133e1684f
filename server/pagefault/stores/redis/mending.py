"""What `resources/redis/mend.lua` is told."""

from __future__ import annotations

import json

from ..folding import COUNTERS, Disagreement
from .examining import Told
from .node import Argument


def restatement(wrong: Disagreement) -> list[Argument]:
    """How a session is to be, if it is still at the revision at which it was found."""
    right = wrong.standing
    mapped = [
        [
            page,
            spot.version,
            spot.level,
            spot.tokens,
            spot.touched,
            spot.turn,
            spot.mapped_turn,
            spot.protected_until,
        ]
        for page, spot in right.mapped.items()
    ]
    pins = [[page, "" if until is None else str(until)] for page, until in right.pins.items()]
    counters = [[name, str(right.counters[name])] for name in COUNTERS]
    return [
        "session",
        wrong.session,
        wrong.revision,
        *(json.dumps(part, ensure_ascii=False) for part in (counters, mapped, pins)),
    ]


def renumbering(told: Told) -> list[Argument]:
    """What the positions and counts are to be, if the log still ends where it did."""
    head = [
        ["position", str(told.position)],
        ["indexable", str(told.indexable)],
        ["pages", str(len(told.pages.keys() - told.forgotten))],
        ["archived", str(len(told.archived))],
    ]
    return [
        "numbers",
        told.position,
        max(told.contents, default=0),
        *(
            json.dumps(part, ensure_ascii=False)
            for part in (head, sorted(told.numbers.items()), sorted(told.sessions))
        ),
    ]
