"""Bytes as they are kept: compressed where it pays, with a checksum of what was written.

Encryption will be a further codec number; rows written before it keep theirs.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from hashlib import blake2b

from ..base.errors import StoreDamaged

RAW, DEFLATED = 0, 1
_WORTH_DEFLATING = 1024  # bytes; below it the gain is smaller than the time


@dataclass(frozen=True, slots=True)
class Kept:
    """One content as it is stored: codec number, checksum of the plain bytes, stored bytes."""

    codec: int
    checksum: bytes
    data: bytes


def keep(plain: bytes) -> Kept:
    """The stored form of ``plain``; `restore` gives it back byte by byte."""
    checksum = _checksum(plain)
    if len(plain) >= _WORTH_DEFLATING:
        small = zlib.compress(plain, 1)
        if len(small) < len(plain):
            return Kept(DEFLATED, checksum, small)
    return Kept(RAW, checksum, plain)


def restore(kept: Kept, what: str) -> bytes:
    """The plain bytes of ``what``, such as "content 7 of default".

    Raises:
        StoreDamaged: they are not the bytes that were written, or a later version wrote them.
    """
    try:
        plain: bytes | None = _plain(kept)
    except zlib.error:
        plain = None
    if plain is None or _checksum(plain) != kept.checksum:
        message = (
            f"the stored bytes of {what} are damaged (checksum differs) and are not served. "
            "Run `pagefault doctor`; restore from a backup if the page matters."
        )
        raise StoreDamaged(message)
    return plain


def _plain(kept: Kept) -> bytes:
    return zlib.decompress(kept.data) if kept.codec == DEFLATED else kept.data


def _checksum(plain: bytes) -> bytes:
    return blake2b(plain, digest_size=16).digest()
