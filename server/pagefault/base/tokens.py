"""How many tokens a text has: exactly, with a vocabulary on this machine, or by an estimate."""

from __future__ import annotations

import re
from base64 import b64decode
from bisect import bisect_right
from typing import TYPE_CHECKING, Protocol

from .boundary import boundary_before
from .estimate import ESTIMATE_ERROR, Estimate
from .vocabulary import (
    VOCABULARIES,
    VocabularyMissing,
    fetch_vocabulary,
    find_vocabulary,
    read_vocabulary,
    tiktoken_cache,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tiktoken import Encoding

    from .vocabulary import Vocabulary

__all__ = [
    "ESTIMATE_ERROR",
    "Tokenizer",
    "VocabularyMissing",
    "fetch_vocabulary",
    "find_vocabulary",
    "open_tokenizer",
    "tiktoken_cache",
]

# A word, then the space before the next one: no encoding has a token across it. Two blanks in a
# row, or none at all, leave no such seam.
_SEAM = re.compile(r".*\S(?= \S)", re.DOTALL)
_PIECE = 4096


class Tokenizer(Protocol):
    """Counts the tokens of a text. Any string will do, unpaired surrogates included.

    ``name`` is "estimate" or an encoding's name and is written once per workspace; ``exact``
    tells which of the two. An estimate obeys ``count(a) <= count(a + b) <= count(a) + count(b)``
    always; an exact count nearly always, since a letter more can make a word one token less.
    """

    @property
    def name(self) -> str:
        """The name to open it by again."""
        ...

    @property
    def exact(self) -> bool:
        """Whether the counts are a model's own."""
        ...

    def count(self, text: str) -> int:
        """Tokens in the text; 0 for the empty one only."""
        ...

    def clip(self, text: str, limit: int) -> str:
        """The longest prefix of at most ``limit`` tokens, ending between words where it can."""
        ...


class Exact:
    """The tokenizer of a vocabulary.

    A text is encoded in pieces of at most 4,096 code points, since the encoder's time grows with
    the square of what it cannot split. Pieces end between two words, where the sum is the count
    of the whole; a stretch of that length without a single space between two words may count a
    token or two more.
    """

    exact = True

    def __init__(self, name: str, encoding: Encoding) -> None:
        self.name = name
        self._encode = encoding.encode_ordinary

    def count(self, text: str) -> int:
        """Tokens in the text, special tokens read as plain text."""
        return sum(len(self._encode(text[start:end])) for start, end in _pieces(text))

    def clip(self, text: str, limit: int) -> str:
        """The longest prefix of at most ``limit`` tokens, cut by `boundary_before`."""
        left = max(limit, 0)
        for start, end in _pieces(text):
            tokens = len(self._encode(text[start:end]))
            if tokens > left:
                return text[: self._last_cut(text, start, end, left)]
            left -= tokens
        return text

    def _last_cut(self, text: str, start: int, end: int, limit: int) -> int:
        """The last place in a piece to cut, so that ``limit`` holds from the piece's start."""
        fitting = bisect_right(
            range(start, end),
            limit,
            key=lambda place: len(self._encode(text[start : boundary_before(text, place, start)])),
        )
        return boundary_before(text, start + fitting - 1, start)


def open_tokenizer(
    name: str,
    folder: Path,
    *,
    caches: Sequence[Path] = (),
    known: Mapping[str, Vocabulary] = VOCABULARIES,
) -> Tokenizer:
    """The tokenizer of that name, "estimate" or an encoding, from local files alone.

    A vocabulary is looked for in ``folder`` and then in ``caches``; one from a cache is copied to
    ``folder``, since caches are emptied. Opening one takes a third of a second: open it once.

    Raises:
        InvalidArgument: no such encoding.
        VocabularyMissing: its vocabulary is not on this machine.
    """
    if name == Estimate.name:
        return Estimate()
    vocabulary, data = read_vocabulary(name, folder, caches=caches, known=known)
    from tiktoken import Encoding  # start-up pays for it only where a vocabulary is in use

    # Without special tokens: a text that contains one's name is counted as the text it is.
    return Exact(
        name,
        Encoding(
            name,
            pat_str=vocabulary.pattern,
            mergeable_ranks=_ranks(data),
            special_tokens={},
        ),
    )


def _ranks(data: bytes) -> dict[bytes, int]:
    pairs = (line.split() for line in data.splitlines())
    return {b64decode(token): int(rank) for token, rank in pairs}


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of pieces. A piece depends on nothing behind it, so prefixes share theirs."""
    start = 0
    while len(text) - start > _PIECE:
        seam = _SEAM.match(text, start, start + _PIECE)
        end = seam.end() if seam else start + _PIECE
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)
