"""Level 1 of an image: the image itself, smaller, beside the text that it came with.

Drawn by Pillow, where it is installed (the extra ``image``). An image is decoded only when its
header names few enough pixels, and by the four common decoders alone.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from math import sqrt
from typing import TYPE_CHECKING

from ...base.media import Blob
from ...base.page import Level
from ...base.pictures import read_picture
from ..pictures import blob_tokens
from .source import Source, Target
from .text import summary

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_MOST_PIXELS = 40_000_000  # of an image that is decoded: some 160 MB
_EDGE = 512  # pixels of a thumbnail's long edge
_LEAST = 16  # tokens of a thumbnail on which something can be seen
_AREA = 750  # pixels to a token
_QUALITY = 80
_TEXT_SHARE = 0.5  # of the level's tokens, at most


def installed() -> bool:
    """Whether thumbnails can be drawn here."""
    return find_spec("PIL") is not None


def shorten(source: Source, target: Target) -> str | None:
    """Data URLs of smaller images, and the page's text; None where one cannot be drawn."""
    images = [blob for blob in source.blobs if blob.kind == "image"]
    if target.level != Level.REDUCED or not images or not installed():
        return None
    text = summary(source.text, int(target.tokens * _TEXT_SHARE), source.count) or ""
    each = (target.tokens - source.count(text)) // len(images)
    drawn = [drawn_smaller(blob, each) for blob in images] if each >= _LEAST else []
    urls = [small.url for small in drawn if small is not None]
    return "\n".join([*urls, text]) if urls and len(urls) == len(images) else None


def drawn_smaller(blob: Blob, tokens: int) -> Blob | None:
    """The image with at most so many tokens; itself if it has no more, None if it is damaged."""
    picture = read_picture(blob.data)
    if picture is None or picture.width * picture.height > _MOST_PIXELS:
        return None
    long_edge = max(picture.width, picture.height)
    scale = sqrt(tokens * _AREA / (picture.width * picture.height))
    edge = int(min(long_edge * scale, _EDGE))
    if edge >= long_edge and blob_tokens([blob]) <= tokens:
        return blob
    data = _draw(blob.data, max(1, edge))
    return None if data is None else Blob("image/jpeg", data, blob.about)


def _draw(data: bytes, edge: int) -> bytes | None:
    import PIL.Image  # an extra, and a tenth of a second of the start
    import PIL.ImageOps

    try:
        with PIL.Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", (edge, edge))  # a JPEG is decoded no larger than needed
            upright = PIL.ImageOps.exif_transpose(image)
            upright.thumbnail((edge, edge))
            made = io.BytesIO()
            _on_white(upright).save(made, "JPEG", quality=_QUALITY)
    except Exception:  # whatever Pillow makes of damaged bytes: there is no thumbnail of them
        return None
    return made.getvalue()


def _on_white(image: Image) -> Image:
    """The image without transparency, as JPEG needs it."""
    import PIL.Image

    with_alpha = image.convert("RGBA")
    ground = PIL.Image.new("RGBA", with_alpha.size, "white")
    ground.alpha_composite(with_alpha)
    return ground.convert("RGB")
