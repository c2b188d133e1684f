"""What a compressor is given, and what it may return."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ...base.media import Blob
from ...base.page import Page

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Source:
    """A page and its text at level 0. ``count`` counts tokens as the page's workspace does.

    ``hint``: what its writer says it is about. ``around``: texts of other pages of its session,
    by which what is particular to this one can be told; only the stub asks for them. ``blobs``:
    the images and recordings that the page holds; its text then has a caption of each.
    """

    page: Page
    text: str
    count: Count
    hint: str | None = None
    around: Sequence[str] = ()
    blobs: Sequence[Blob] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """The level that is wanted, 1 to 3, and the most ``tokens`` that it may have."""

    level: int
    tokens: int


# None: not a source of its kind, or it cannot be made that small; the next compressor is asked.
# A text of more tokens than the target is taken for None. Images stand before the text as data
# URLs, one a line, and count as images.
Shorten = Callable[[Source, Target], str | None]


@dataclass(frozen=True, slots=True)
class Compressor:
    """A way to shorten. Its name goes into the log: "text/1", the version behind the stroke.

    A level that was kept under another version is computed anew when it is next needed.
    ``modalities``: of which pages it is asked; None for all.
    """

    name: str
    shorten: Shorten
    modalities: Collection[str] | None = None
