"""When a turn begins where nobody says so."""

from __future__ import annotations

PAUSE = 120.0  # seconds after the last reply: whoever calls then has had a new thought
CALLS = 25  # calls of one turn in a conversation whose user messages are not recorded


def overdue(now: float, last_reply: float, calls: int, cause: str) -> str | None:
    """Why the coming call begins a turn: "pause", "calls", or None when it does not.

    ``calls``: calls made in the turn so far; ``cause``: what began that turn. A turn that began
    at a recorded user message is as long as the user lets it be.
    """
    if now - last_reply >= PAUSE:
        return "pause"
    if cause != "message" and calls + 1 >= CALLS:
        return "calls"
    return None
