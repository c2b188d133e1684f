"""What a turn may fault in, and what is said when it may not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits of one turn and what of them is spent. ``binding`` False: it warns and lets pass.

    A conversation whose user messages are not recorded has no turns to speak of, so there its
    limits only warn.
    """

    faults: int
    tokens: int
    spent_faults: int
    spent_tokens: int
    binding: bool

    def refusal(self, *, more: bool) -> str | None:
        """Why a fault would go beyond the limits, or None. ``more``: a further range of a page."""
        if not more and self.spent_faults >= self.faults:
            return f"{self.spent_faults} of {self.faults} faults of this turn are spent"
        if self.spent_tokens >= self.tokens:
            return f"{self.spent_tokens:,} of {self.tokens:,} fault tokens of this turn are spent"
        return None

    @property
    def tokens_left(self) -> int:
        """How many more tokens the turn may fault in."""
        return max(0, self.tokens - self.spent_tokens)

    @property
    def faults_left(self) -> int:
        """How many more pages the turn may fault in."""
        return max(0, self.faults - self.spent_faults)
