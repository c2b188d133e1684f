"""Values that a tool is given again and again, in one session after the other: its constants.

Only hashes are kept, so that a value can be known again and never be read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

VALUES: Final = 256  # of one tool
SESSIONS: Final = 3  # in which a value was given before it is usual


@dataclass(slots=True)
class Usual:
    """By hash of a value: in how many sessions it was given, and a hash of the latest of them."""

    by_value: OrderedDict[int, tuple[int, int]] = field(default_factory=OrderedDict)

    def fold(self, session: int, values: Iterable[int]) -> None:
        """A call of the session was given these values. A session counts once while it lasts."""
        for value in values:
            count, latest = self.by_value.get(value, (0, 0))
            self.by_value[value] = (count + (latest != session), session)
            self.by_value.move_to_end(value)
        while len(self.by_value) > VALUES:
            self.by_value.popitem(last=False)

    def has(self, value: int, session: int) -> bool:
        """Whether the value was given in several sessions before this one."""
        count, latest = self.by_value.get(value, (0, 0))
        return count - (latest == session) >= SESSIONS

    def to_json(self) -> list[Any]:
        """A row of a snapshot."""
        return [[value, *seen] for value, seen in self.by_value.items()]

    @classmethod
    def from_json(cls, row: list[Any]) -> Usual:
        """What `to_json` gave."""
        return cls(OrderedDict((value, (count, latest)) for value, count, latest in row))
