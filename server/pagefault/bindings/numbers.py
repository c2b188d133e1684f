"""Numbers as people write them: 1,000 · -3.5 · 2e-4 · − (the minus sign)."""

from __future__ import annotations

import math
from typing import Final

# Digits in groups of three or plain, a fraction, an exponent; not the middle of a word or number.
NUMBER: Final = (
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:(?<=\d)\.\d+|(?<!\d)\.\d+)?(?:(?<=\d)[eE][+-]?\d{1,3})?"
)
SIGN: Final = r"[-+\u2212]?"


def number(text: str) -> int | float | None:
    """The number that a text is; None when it is none, or too large to be one."""
    plain = text.strip().replace(",", "").replace("\u2212", "-")
    try:
        value = float(plain)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    whole = plain.lstrip("+-").isdigit() and len(plain) < 300
    return int(plain) if whole else value
