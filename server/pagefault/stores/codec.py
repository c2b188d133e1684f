"""Bytes as they are kept: compressed where it pays, with a checksum of what was written.

What is archived is compressed once more, as small as it gets in the time that a reader has.
Encryption will be a further codec number; rows written before it keep theirs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b

from ..base.errors import StoreDamaged, StoreUnavailable

RAW, DEFLATED, DEFLATED_BARE, LZMA = 0, 1, 2, 3  # BARE: without a header and a sum of its own
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


def pack(kept: Kept, what: str) -> Kept | None:
    """The smallest stored form of the same bytes; None where that is what they have.

    Raises:
        StoreDamaged: they are not the bytes that were written.
    """
    plain = restore(kept, what)
    codec, data = min(_forms(plain), key=lambda form: len(form[1]))
    return Kept(codec, kept.checksum, data) if len(data) < len(kept.data) else None


def packed(found: Mapping[int, Kept]) -> dict[int, Kept]:
    """The contents that can be kept in fewer bytes, so; a damaged one stays as it is."""
    smaller = {}
    for number, kept in found.items():
        with suppress(StoreDamaged):
            form = pack(kept, f"content {number}")
            if form is not None:
                smaller[number] = form
    return smaller


def restore(kept: Kept, what: str) -> bytes:
    """The plain bytes of ``what``, such as "content 7 of default".

    Raises:
        StoreDamaged: they are not the bytes that were written, or a later version wrote them.
    """
    try:
        plain: bytes | None = _plain(kept)
    except (zlib.error, _LzmaFailed):
        plain = None
    if plain is None or _checksum(plain) != kept.checksum:
        message = (
            f"the stored bytes of {what} are damaged (checksum differs) and are not served. "
            "Run `pagefault doctor`; restore from a backup if the page matters."
        )
        raise StoreDamaged(message)
    return plain


def _plain(kept: Kept) -> bytes:
    if kept.codec == DEFLATED:
        return zlib.decompress(kept.data)
    if kept.codec == DEFLATED_BARE:
        return zlib.decompress(kept.data, -zlib.MAX_WBITS)
    return _unlzma(kept.data) if kept.codec == LZMA else kept.data


def _forms(plain: bytes) -> Iterator[tuple[int, bytes]]:
    yield DEFLATED_BARE, zlib.compress(plain, 9, -zlib.MAX_WBITS)
    with suppress(ImportError):
        import lzma

        yield LZMA, lzma.compress(plain, lzma.FORMAT_RAW, filters=_filters())


def _unlzma(data: bytes) -> bytes:
    try:
        import lzma
    except ImportError as error:
        message = (
            "this Python was built without lzma, by which archived pages are kept. Run pagefault "
            "by one that has it."
        )
        raise StoreUnavailable(message) from error
    try:
        return lzma.decompress(data, lzma.FORMAT_RAW, filters=_filters())
    except (lzma.LZMAError, EOFError) as error:
        raise _LzmaFailed from error


def _filters() -> list[dict[str, int]]:
    """The same for ever: what was written by them says nothing about them."""
    import lzma

    return [{"id": lzma.FILTER_LZMA1, "preset": 6, "dict_size": 2**20}]


class _LzmaFailed(Exception):
    """What was to be decompressed is no such stream: a name for lzma's errors without lzma."""


def _checksum(plain: bytes) -> bytes:
    return blake2b(plain, digest_size=16).digest()
