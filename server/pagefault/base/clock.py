"""Time and chance, injected. The only module that reads a clock or draws random bits."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Protocol

from .errors import InvalidArgument

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class Clock(Protocol):
    """Wall time, for records and for the rules about pauses."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        ...


class Ids(Protocol):
    """Where new handles come from."""

    def handle(self, bits: int) -> str:
        """A session handle ``s_…`` with at least ``bits`` of randomness, in base32."""
        ...

    def short(self) -> str:
        """Eight characters that name one failure in the log."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        return time.time()


class RandomIds:
    """Handles from the operating system's generator."""

    def handle(self, bits: int) -> str:
        """A session handle ``s_…`` with at least ``bits`` of randomness, in base32."""
        return "s_" + "".join(secrets.choice(_BASE32) for _ in range(-(-bits // 5)))

    def short(self) -> str:
        """Eight characters that name one failure in the log."""
        return secrets.token_hex(4)


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second where nothing is lost by it."""
    moment = datetime.fromtimestamp(at, UTC)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def parse_time(text: str) -> float:
    """ISO 8601 as Unix seconds; a time without a zone is UTC.

    Raises:
        InvalidArgument: when the text is not a date and time of the years 1 to 9999.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at = moment.timestamp()
        iso(at)  # near the calendar's ends, a time can be read and not be shown in UTC
        return at
    except (ValueError, OverflowError):
        message = (
            f"{text[:60]!r} is not a time. Times are ISO 8601, such as 2026-05-08T13:56:00Z; "
            "leave it out to use the time of recording."
        )
        raise InvalidArgument(message) from None
