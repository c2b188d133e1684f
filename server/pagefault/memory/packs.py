"""Packed contexts that are kept until something in them changes.

A pack is given again only to the same request, while the working set, the turn and whatever else
the pack shows of the session are equal, and while the log has no line of the session, or of a page
in the pack, after the position at which it was made. What another process acknowledged is in the
log before the next call, so no stale pack can be given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..paging.lately import Lately
from ..residency import Residency

_MOST = 64  # packs of a process: at 32,000 tokens each, some ten megabytes

Made = TypeVar("Made")
State = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Pack(Generic[Made]):
    """What was made, of which state of the session, at which position of the log.

    ``page_ids``: all pages whose change would change it.
    """

    made: Made
    state: State
    position: int
    page_ids: frozenset[str]


class Packs:
    """The packs of a process, the least recently used first to go."""

    def __init__(self) -> None:
        self._packs: OrderedDict[Hashable, Pack[object]] = OrderedDict()

    def get(
        self, request: Hashable, kind: type[Made], seat: Residency, lately: Lately
    ) -> Made | None:
        """What was made for such a request, where it would be made the same again."""
        pack = self._packs.get((seat.workspace.key, seat.row.id, request))
        if (
            pack is None
            or not isinstance(pack.made, kind)
            or pack.state != state_of(seat)
            or lately.changed(pack.position, seat.row.id, pack.page_ids)
        ):
            return None
        self._packs.move_to_end((seat.workspace.key, seat.row.id, request))
        return pack.made

    def keep(self, request: Hashable, seat: Residency, pack: Pack[object]) -> None:
        """Keep what was made for a request."""
        self._packs[seat.workspace.key, seat.row.id, request] = pack
        self._packs.move_to_end((seat.workspace.key, seat.row.id, request))
        if len(self._packs) > _MOST:
            self._packs.popitem(last=False)

    def clear(self) -> None:
        """Let go of all of them."""
        self._packs.clear()


def state_of(seat: Residency) -> State:
    """What a pack shows of the session, beside the pages' contents."""
    thrash = seat.set.learned.thrash  # shown as pressure
    return (
        (
            seat.turn,
            seat.set.budget,
            seat.row.mode,
            seat.row.policy,
            thrash.evictions,
            thrash.returns,
            seat.returned,  # they may be offered again
        ),
        *seat.set.pages(),
    )
