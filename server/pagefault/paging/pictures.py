"""What images cost a model to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil

from ..base.media import Blob, data_urls
from ..base.pictures import Picture, read_picture

_EDGE = 1_568  # pixels of the long edge, to which a larger image is made smaller before it is read
_MOST = 1_600  # tokens, likewise
_AREA = 750  # pixels to a token


def picture_tokens(picture: Picture | None) -> int:
    """Tokens of an image by its size; of one whose size nobody can tell, the most there can be.

    Width times height by 750, after the image was made to fit 1,568 pixels and 1,600 tokens: the
    rule that Anthropic documents for its models ("Vision", calculate image costs). OpenAI counts
    tiles of 512 pixels, which for most images come to fewer.
    """
    if picture is None:
        return _MOST
    scale = min(1.0, _EDGE / max(picture.width, picture.height))
    area = max(1.0, picture.width * scale) * max(1.0, picture.height * scale)
    return min(ceil(area / _AREA), _MOST)


def blob_tokens(blobs: Iterable[Blob]) -> int:
    """Tokens of what a reply can show of them: images; recordings are not shown."""
    shown = (blob for blob in blobs if blob.kind == "image")
    return sum(picture_tokens(read_picture(blob.data)) for blob in shown)


def counting(count: Callable[[str], int]) -> Callable[[str], int]:
    """A count of tokens that takes data URLs at the beginning of a text for the images they are."""

    def counted(text: str) -> int:
        if not text.startswith("data:"):
            return count(text)
        blobs, rest = data_urls(text)
        return blob_tokens(blobs) + count(rest)

    return counted
