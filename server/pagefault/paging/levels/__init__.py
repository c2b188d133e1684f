"""A page's levels: texts derived from level 0, each smaller than the one above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from ..pictures import counting
from .source import Compressor, Shorten, Source, Target
from .targets import between, target_tokens


def _of(module: str) -> Shorten:
    """A compressor of this folder, loaded when it is first asked: every start would pay for it."""

    def shorten(source: Source, target: Target) -> str | None:
        found: Shorten = import_module(f".{module}", __name__).shorten
        return found(source, target)

    return shorten


_TEXTS = ("text", "structured")
_MEDIA = ("image", "audio", "video")

# The first that has an answer makes the level. Code is told from prose by its shape, and so are
# logs; whatever is neither, and no JSON, is text.
COMPRESSORS: Sequence[Compressor] = (
    Compressor("transcript/1", _of("transcript"), ("audio", "video")),
    Compressor("stub/2", _of("reference")),
    Compressor("thumbnail/1", _of("thumbnail"), _MEDIA),
    Compressor("caption/1", _of("captions"), _MEDIA),
    Compressor("json/1", _of("structured"), _TEXTS),
    Compressor("log/1", _of("log"), _TEXTS),
    Compressor("code/1", _of("code"), _TEXTS),
    Compressor("text/1", _of("text"), _TEXTS),
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
