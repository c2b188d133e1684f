"""What a check of `doctor` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

REPAIR = "It is derived: pagefault doctor --repair makes it anew"

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how bad, what was looked at, what was found, and what to do about it."""

    state: State
    what: str
    found: str
    advice: str = ""
