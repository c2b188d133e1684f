"""Images made by hand, byte by byte, so that no test needs a library to have one."""

from __future__ import annotations

import zlib
from base64 import b64encode
from random import Random
from struct import pack
from typing import Any


def png(width: int, height: int, seed: int = 0, exif: bytes = b"") -> bytes:
    """A PNG of noise in shades of grey."""
    noise = Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(width) for _ in range(height))
    header = pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    if exif:
        chunks.insert(1, (b"eXIf", exif))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that says to be so large, and has nothing behind its header."""
    return png(1, 1)[:16] + pack(">II", width, height) + b"\x08\0\0\0\0"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + pack("<HH", width, height) + b"\0\0\0;"


def jpeg(width: int, height: int, exif: bytes = b"") -> bytes:
    """The markers of a JPEG up to its frame; there is no picture behind them."""
    taken = b"\xff\xe1" + pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif if exif else b""
    frame = b"\xff\xc0" + pack(">HBHHB", 8, 8, height, width, 0)
    return b"\xff\xd8\xff\xe0\0\x04JF" + taken + b"\xff" + frame


def webp(width: int, height: int, kind: bytes, exif: bytes = b"") -> bytes:
    """The header of a WebP of each of its three kinds."""
    if kind == b"VP8X":
        body = (
            b"\x08\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        )
    elif kind == b"VP8L":
        body = b"\x2f" + pack("<I", (width - 1) | (height - 1) << 14)
    else:
        body = b"\0\0\0\x9d\x01\x2a" + pack("<HH", width, height)
    parts = kind + pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    if exif:
        parts += b"EXIF" + pack("<I", len(exif)) + exif
    return b"RIFF" + pack("<I", 4 + len(parts)) + b"WEBP" + parts


def exif(date: bytes, order: str = "<") -> bytes:
    """When a picture was taken, in a directory below the first one."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    first = pack(f"{order}HHHIII", 1, 0x8769, 4, 1, 26, 0)
    below = pack(f"{order}HHHIII", 1, 0x9003, 2, 20, 44, 0)
    return mark + pack(f"{order}I", 8) + first + below + date + b"\0"


def part(data: bytes, mime_type: str = "image/png", **more: Any) -> dict[str, Any]:
    """An image part as MCP has it."""
    return {"type": "image", "data": b64encode(data).decode(), "mimeType": mime_type, **more}


def openai_part(data: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(data), "detail": "high"}}


def anthropic_part(data: bytes) -> dict[str, Any]:
    text = b64encode(data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": text}}


def data_url(data: bytes, mime_type: str = "image/png") -> str:
    return f"data:{mime_type};base64,{b64encode(data).decode()}"
