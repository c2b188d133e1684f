"""What this process has answered, counted for each principal; gone when it ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Since the process began. ``calls`` by tool and outcome ("ok" or an error's code),
    ``seconds`` by tool, ``searches`` by whether anything was found, ``packs`` by whether a packed
    context could be given again."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    searches: Counter[bool] = field(default_factory=Counter)
    packs: Counter[bool] = field(default_factory=Counter)

    def called(self, tool: str, outcome: str, seconds: float) -> None:
        """A call was answered."""
        self.calls[tool, outcome] += 1
        self.seconds[tool] = self.seconds.get(tool, 0.0) + seconds
