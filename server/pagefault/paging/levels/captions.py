"""Level 2 of an image: what is known of it in words, and that it is not shown.

That is what its writer or sender says of it, format, size in pixels, when it was taken; and the
text of the message that it came with.
"""

from __future__ import annotations

from ...base.page import Level
from .reference import head
from .source import Source, Target
from .text import summary


def shorten(source: Source, target: Target) -> str | None:
    """The caption, with the bytes that level 0 has."""
    if target.level != Level.ABSTRACT or not source.blobs:
        return None
    lead = head(source.page) + (f"{source.hint}\n" if source.hint else "")
    sizes = ", ".join(f"{blob.mime_type} of {len(blob.data):,} bytes" for blob in source.blobs)
    behind = f"\n(not shown at this level: {sizes})"
    around = source.count(lead) + source.count(behind)
    text = summary(source.text, target.tokens - around, source.count)
    return f"{lead}{text}{behind}" if text else None
