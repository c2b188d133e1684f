"""What others have to say of events that are about to be recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ..base.event import Recorded
from ..base.log import Operation
from ..residency import Residency

# The further lines of an event: from its place in the batch, its id and its page's, to be filled.
Lines = Callable[[int, str, str | None], Sequence[Operation]]


def _none(index: int, event_id: str, page_id: str | None) -> Sequence[Operation]:  # noqa: ARG001
    return ()


@dataclass(frozen=True, slots=True)
class Heard:
    """The events as they are to be kept, and what is to be written with them.

    ``known``: those that were recorded before, by their place, with the ids of event and page;
    ``again``: lines for these. ``lines``: what follows each of the others, in the same commit.
    """

    events: Sequence[Recorded]
    known: Mapping[int, tuple[str, str | None]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    again: Sequence[Operation] = ()
    lines: Lines = _none


# Hears a batch before it is written.
Listener = Callable[[Residency, Sequence[Recorded]], Awaitable[Heard]]
