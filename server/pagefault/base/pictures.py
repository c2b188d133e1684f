"""What an image's own header says of it: format, size in pixels, when it was taken.

Read by the layouts that the formats' documents give: PNG (W3C, 3rd edition), JPEG (ITU T.81, Exif
3.0), GIF89a, WebP (RFC 9649). Nothing is decoded, so a damaged or hostile image costs no more than
a look at its markers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import error, unpack_from

_MARKERS = 1_000  # segments or chunks that are looked at
_ENTRIES = 200  # of a directory of Exif
_TAKEN, _CHANGED, _EXIF = 0x9003, 0x0132, 0x8769  # tags: DateTimeOriginal, DateTime, sub-directory
_DATE = re.compile(rb"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Picture:
    """``width`` and ``height`` in pixels; ``taken`` as "2024-05-01 12:30", where it says so."""

    format: str
    width: int
    height: int
    taken: str | None = None


def read_picture(data: bytes) -> Picture | None:
    """What the header says; None for what is no image of these formats, or has no such header.

    Never raises, whatever the bytes are.
    """
    for magic, read in _FORMATS:
        if data.startswith(magic):
            try:
                found = read(data)
            except (error, IndexError, ValueError):
                return None
            return found if found and found.width > 0 and found.height > 0 else None
    return None


def _png(data: bytes) -> Picture | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = unpack_from(">II", data, 16)
    chunks = dict(_png_chunks(data))
    return Picture("PNG", width, height, _taken(chunks.get(b"eXIf", b"")))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    for _ in range(_MARKERS):
        if at + 8 > len(data):
            return
        (size,) = unpack_from(">I", data, at)
        name = data[at + 4 : at + 8]
        if name == b"eXIf":
            yield name, data[at + 8 : at + 8 + size]
        at += 12 + size


def _gif(data: bytes) -> Picture | None:
    width, height = unpack_from("<HH", data, 6)
    return Picture("GIF", width, height)


def _jpeg(data: bytes) -> Picture | None:
    taken = None
    at = 2
    for _ in range(_MARKERS):
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        (size,) = unpack_from(">H", data, at + 2)
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            taken = taken or _taken(data[at + 10 : at + 2 + size])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            height, width = unpack_from(">HH", data, at + 5)
            return Picture("JPEG", width, height, taken)
        at += 2 + size
    return None


def _webp(data: bytes) -> Picture | None:
    if data[8:12] != b"WEBP":
        return None
    width, height = _webp_size(data)
    return Picture("WebP", width, height, _webp_taken(data))


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        low_high = unpack_from("<HBHB", data, 24)
        return 1 + low_high[0] + (low_high[1] << 16), 1 + low_high[2] + (low_high[3] << 16)
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _webp_taken(data: bytes) -> str | None:
    at = 12
    for _ in range(_MARKERS):
        if at + 8 > len(data):
            return None
        (size,) = unpack_from("<I", data, at + 4)
        if data[at : at + 4] == b"EXIF":
            return _taken(data[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0"))
        at += 8 + size + size % 2
    return None


def _taken(exif: bytes) -> str | None:
    """When a picture was taken, else when it was last changed, by its Exif data (a TIFF)."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    try:
        (first,) = unpack_from(f"{order}I", exif, 4)
        tags = dict(_directory(exif, order, first))
        deeper = dict(_directory(exif, order, tags[_EXIF])) if _EXIF in tags else {}
        place = deeper.get(_TAKEN) or tags.get(_CHANGED)
    except error:
        return None
    date = None if place is None else _DATE.match(exif, place)
    if date is None:
        return None
    year, month, day, hour, minute = (part.decode() for part in date.groups())
    return f"{year}-{month}-{day} {hour}:{minute}"


def _directory(exif: bytes, order: str, at: int) -> Iterator[tuple[int, int]]:
    """Tags and their values, or the places where those lie."""
    (entries,) = unpack_from(f"{order}H", exif, at)
    for index in range(min(entries, _ENTRIES)):
        tag, _, _, value = unpack_from(f"{order}HHII", exif, at + 2 + 12 * index)
        yield tag, value


_FORMATS: tuple[tuple[bytes, Callable[[bytes], Picture | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"RIFF", _webp),
)
