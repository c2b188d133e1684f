"""What a call did to the working set, as replies tell it."""

from __future__ import annotations

from typing import Any

from ..memory.mapping import Yielded
from .door import Call
from .ranges import some


def effects_of(call: Call, yielded: Yielded) -> dict[str, list[Any]]:
    """Ids of pages that were let go; of those shown as stubs, what they take and what they took."""
    demoted = [
        {
            "page_id": step.page.page_id,
            "level": step.level,
            "tokens": step.tokens,
            "was_tokens": step.page.tokens,
        }
        for step in yielded.demoted
    ]
    return {
        "evicted": some(call, "evicted", yielded.evicted),
        "demoted": some(call, "demoted", demoted),
    }
