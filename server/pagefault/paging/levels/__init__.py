"""A page's levels: texts derived from level 0, each smaller than the one above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .code import shorten as shorten_code
from .log import shorten as shorten_log
from .reference import shorten as shorten_to_a_line
from .source import Compressor, Source, Target
from .structured import shorten as shorten_json
from .targets import between, target_tokens
from .text import shorten as shorten_text

# The first that has an answer makes the level. Code is told from prose by its shape, and so are
# logs; whatever is neither, and no JSON, is text.
COMPRESSORS: Sequence[Compressor] = (
    Compressor("stub/2", shorten_to_a_line),
    Compressor("json/1", shorten_json),
    Compressor("log/1", shorten_log),
    Compressor("code/1", shorten_code),
    Compressor("text/1", shorten_text),
)


@dataclass(frozen=True, slots=True)
class Made:
    """A level as it was computed: by which compressor, the text, its tokens."""

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
    for compressor in compressors:
        made = compressor.shorten(source, Target(level, tokens))
        if made is not None:
            size = source.count(made)
            if below < size <= tokens:
                return Made(compressor.name, made, size)
    return None


__all__ = ["COMPRESSORS", "Compressor", "Made", "Source", "Target", "compute"]
