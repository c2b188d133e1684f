"""A page's levels: texts derived from level 0, each smaller than the one above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..pictures import counting
from .captions import shorten as shorten_to_caption
from .code import shorten as shorten_code
from .log import shorten as shorten_log
from .reference import shorten as shorten_to_a_line
from .source import Compressor, Source, Target
from .structured import shorten as shorten_json
from .targets import between, target_tokens
from .text import shorten as shorten_text
from .thumbnail import shorten as shorten_image
from .transcript import shorten as shorten_transcript

_TEXTS = ("text", "structured")
_MEDIA = ("image", "audio", "video")

# The first that has an answer makes the level. Code is told from prose by its shape, and so are
# logs; whatever is neither, and no JSON, is text.
COMPRESSORS: Sequence[Compressor] = (
    Compressor("transcript/1", shorten_transcript, ("audio", "video")),
    Compressor("stub/2", shorten_to_a_line),
    Compressor("thumbnail/1", shorten_image, _MEDIA),
    Compressor("caption/1", shorten_to_caption, _MEDIA),
    Compressor("json/1", shorten_json, _TEXTS),
    Compressor("log/1", shorten_log, _TEXTS),
    Compressor("code/1", shorten_code, _TEXTS),
    Compressor("text/1", shorten_text, _TEXTS),
)


@dataclass(frozen=True, slots=True)
class Made:
    """A level as it was computed: by which compressor, the text, its tokens.

    Images stand before the text as data URLs, one a line.
    """

    origin: str
    text: str
    tokens: int


def compute(
    source: Source,
    level: int,
    above: int,
    below: int = 0,
    compressors: Sequence[Compressor] = COMPRESSORS,
) -> Made | None:
    """The level of a page, of under ``above`` tokens and over ``below``; None where it has none.

    Pure and bounded in time, but not cheap for a long text: a megabyte takes some tenths of a
    second.
    """
    wanted = target_tokens(source.page.tokens, level)
    tokens = None if wanted is None else between(wanted, above, below)
    if tokens is None:
        return None
    count = counting(source.count)
    for compressor in compressors:
        if compressor.modalities is not None and source.page.modality not in compressor.modalities:
            continue
        made = compressor.shorten(source, Target(level, tokens))
        if made is not None:
            size = count(made)
            if below < size <= tokens:
                return Made(compressor.name, made, size)
    return None


__all__ = ["COMPRESSORS", "Compressor", "Made", "Source", "Target", "compute"]
