"""Exact counts of one tool's calls, with a rough picture of how long they take."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

_TYPES: Final = 32  # error types counted by name; the rest is counted as "other"
_STEPS: Final = 4  # buckets to a doubling: a median is right within a tenth


@dataclass(slots=True)
class Counts:
    """``errors``: failures by type. ``durations``: calls by bucket of the log of milliseconds.
    ``stopped``: calls that a guard stopped before they were made, by the guard.
    """

    calls: int = 0
    ok: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    timed: int = 0
    spent: float = 0.0  # milliseconds
    durations: dict[int, int] = field(default_factory=dict)
    last: float = 0.0  # when it was last called
    stopped: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """How many calls failed."""
        return self.calls - self.ok

    @property
    def rate(self) -> float:
        """Of the calls, the share that succeeded; 0 when there is none."""
        return self.ok / self.calls if self.calls else 0.0

    @property
    def median(self) -> float | None:
        """About how many milliseconds a call takes; None when none was timed."""
        left = self.timed / 2
        for bucket in sorted(self.durations):
            left -= self.durations[bucket]
            if left <= 0:
                return float(2 ** ((bucket + 0.5) / _STEPS))
        return None

    @property
    def mean(self) -> float | None:
        """Milliseconds of a call on average; None when none was timed."""
        return self.spent / self.timed if self.timed else None

    def add(self, *, ok: bool, error: str, duration: float | None, at: float) -> None:
        """Count one call."""
        self.calls += 1
        self.ok += ok
        self.last = max(self.last, at)
        if not ok:
            known = error in self.errors or len(self.errors) < _TYPES
            name = error if known else "other"
            self.errors[name] = self.errors.get(name, 0) + 1
        if duration is not None and duration >= 0:
            self.timed += 1
            self.spent += duration
            bucket = math.floor(math.log2(max(duration, 0.01)) * _STEPS)
            self.durations[bucket] = self.durations.get(bucket, 0) + 1

    def stop(self, guard: str) -> None:
        """Count one call that was stopped."""
        self.stopped[guard] = self.stopped.get(guard, 0) + 1

    def to_json(self) -> list[Any]:
        """The counts as a JSON array."""
        numbers = [self.calls, self.ok, self.timed, self.spent, self.last]
        return [*numbers, self.errors, list(self.durations.items()), self.stopped]

    @classmethod
    def from_json(cls, row: list[Any]) -> Counts:
        """The counts that `to_json` wrote."""
        calls, ok, timed, spent, last, errors, durations, stopped = row
        return cls(calls, ok, dict(errors), timed, spent, dict(durations), last, dict(stopped))
