"""Tokenizer vocabularies as files: which exist, where they lie, and the one way to fetch one."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha1, sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .errors import InvalidArgument, PagefaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_SOURCE = "https://openaipublic.blob.core.windows.net/encodings/"
_DOWNLOAD_SECONDS = 60
_BEST_FIRST = ("o200k_base", "cl100k_base")
"""What "auto" may resolve to; the older encodings are taken only when named."""


class VocabularyMissing(PagefaultError, LookupError):
    """An encoding was named whose vocabulary is not on this machine, or not undamaged."""

    code = "vocabulary_missing"


@dataclass(frozen=True)
class Vocabulary:
    """One ranks file as OpenAI publishes it, and the expression that splits text before it.

    ``size`` in bytes, ``sha256`` in hex. Lines are ``base64(token) rank``.
    """

    file: str
    size: int
    sha256: str
    pattern: str

    @property
    def url(self) -> str:
        """Where it is published; tiktoken names its cached copy by the SHA-1 of this."""
        return _SOURCE + self.file

    def places(self, folder: Path, caches: Sequence[Path]) -> Iterator[Path]:
        """Where a copy may lie: our folder, then each further one under either name."""
        yield folder / self.file
        for cache in caches:
            yield cache / self.file
            yield cache / sha1(self.url.encode(), usedforsecurity=False).hexdigest()

    def fits(self, data: bytes) -> bool:
        """Whether these are the published bytes."""
        return sha256(data).hexdigest() == self.sha256


# The expressions are part of the encodings' definition, as tiktoken 0.14 writes them.
_GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
_CL100K_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_O200K_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_O200K = Vocabulary(
    "o200k_base.tiktoken",
    3_613_922,
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    _O200K_PATTERN,
)
_CL100K = Vocabulary(
    "cl100k_base.tiktoken",
    1_681_126,
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    _CL100K_PATTERN,
)
_P50K = Vocabulary(
    "p50k_base.tiktoken",
    836_186,
    "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
    _GPT2_PATTERN,
)
_R50K = Vocabulary(
    "r50k_base.tiktoken",
    835_554,
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    _GPT2_PATTERN,
)
# Names that share a file differ in special tokens only, and text never holds special tokens.
VOCABULARIES: Mapping[str, Vocabulary] = MappingProxyType(
    {
        "o200k_base": _O200K,
        "o200k_harmony": _O200K,
        "cl100k_base": _CL100K,
        "p50k_base": _P50K,
        "p50k_edit": _P50K,
        "r50k_base": _R50K,
        "gpt2": _R50K,
    }
)


def tiktoken_cache(environ: Mapping[str, str], temp: Path) -> Path:
    """The folder in which tiktoken keeps what it downloaded.

    An empty variable switches tiktoken's cache off; looking into the default folder then is
    harmless, since whatever lies there must have the published bytes.
    """
    named = environ.get("TIKTOKEN_CACHE_DIR") or environ.get("DATA_GYM_CACHE_DIR")
    return Path(named) if named else temp / "data-gym-cache"


def download(url: str, limit: int) -> bytes:
    """At most ``limit`` bytes from a URL; OSError when the network or the server fails."""
    from urllib.request import urlopen  # costs 30 ms at start-up, and one command needs it

    with urlopen(url, timeout=_DOWNLOAD_SECONDS) as reply:
        data: bytes = reply.read(limit)
    return data


def find_vocabulary(
    folder: Path,
    *,
    caches: Sequence[Path] = (),
    known: Mapping[str, Vocabulary] = VOCABULARIES,
) -> str | None:
    """The best encoding with a file of the right size in ``folder`` or a cache; None if none.

    Looks at sizes only, so that it costs microseconds; `read_vocabulary` checks the bytes.
    """
    for name in _BEST_FIRST:
        vocabulary = known.get(name)
        if vocabulary and any(_sized(vocabulary, p) for p in vocabulary.places(folder, caches)):
            return name
    return None


def read_vocabulary(
    name: str,
    folder: Path,
    *,
    caches: Sequence[Path] = (),
    known: Mapping[str, Vocabulary] = VOCABULARIES,
) -> tuple[Vocabulary, bytes]:
    """The vocabulary of an encoding and its published bytes, from the first undamaged copy.

    One that was found in a cache is copied to ``folder`` if that can be written.

    Raises:
        InvalidArgument: no such encoding.
        VocabularyMissing: no undamaged copy in ``folder`` or the caches.
    """
    vocabulary = _named(name, known)
    for place in vocabulary.places(folder, caches):
        data = _published_bytes(vocabulary, place)
        if data is not None:
            if place != folder / vocabulary.file:
                _keep(folder / vocabulary.file, data)
            return vocabulary, data
    message = (
        f"the vocabulary of {name} is not on this machine, or damaged: no {vocabulary.size} bytes "
        f"with the published checksum at {folder / vocabulary.file}"
        + (f" or in {', '.join(map(str, caches))}" if caches else "")
        + ". Tokens are counted with local files only and nothing is downloaded during a call. "
        f"Run `pagefault vocabulary {name}` once while online, or choose the tokenizer `estimate`."
    )
    raise VocabularyMissing(message)


def fetch_vocabulary(
    name: str,
    folder: Path,
    *,
    known: Mapping[str, Vocabulary] = VOCABULARIES,
    download: Callable[[str, int], bytes] = download,
) -> Path:
    """Download an encoding's vocabulary into ``folder``, unless an undamaged copy is there.

    The only function that uses the network, by way of ``download``. The file appears whole or not
    at all. Returns its path.

    Raises:
        InvalidArgument: no such encoding.
        VocabularyMissing: it could not be fetched, or what came is not what was published.
        OSError: ``folder`` cannot be written.
    """
    vocabulary = _named(name, known)
    path = folder / vocabulary.file
    if _published_bytes(vocabulary, path) is None:
        _write_whole(path, _fetched_bytes(name, vocabulary, folder, download))
    return path


def _named(name: str, known: Mapping[str, Vocabulary]) -> Vocabulary:
    if name not in known:
        message = (
            f"{name[:60]!r} is no encoding that pagefault knows. Known are {', '.join(known)}; "
            "`estimate` needs no vocabulary and `auto` takes the best one on this machine."
        )
        raise InvalidArgument(message)
    return known[name]


def _sized(vocabulary: Vocabulary, path: Path) -> bool:
    with suppress(OSError):  # a folder that cannot be read is as good as none
        return path.stat().st_size == vocabulary.size
    return False


def _published_bytes(vocabulary: Vocabulary, path: Path) -> bytes | None:
    with suppress(OSError):
        if _sized(vocabulary, path) and vocabulary.fits(data := path.read_bytes()):
            return data
    return None


def _keep(path: Path, data: bytes) -> None:
    """Have our own copy: caches lie in temporary folders, and a workspace keeps its tokenizer."""
    with suppress(OSError):  # without a copy, the cache serves as long as it is there
        _write_whole(path, data)


def _fetched_bytes(
    name: str, vocabulary: Vocabulary, folder: Path, download: Callable[[str, int], bytes]
) -> bytes:
    by_hand = f"or copy {vocabulary.file} from another machine into {folder}."
    try:
        data = download(vocabulary.url, vocabulary.size + 1)
    except OSError as error:
        message = (
            f"the vocabulary of {name} could not be fetched from {vocabulary.url}: {error}. "
            f"Check the network and run `pagefault vocabulary {name}` again, {by_hand}"
        )
        raise VocabularyMissing(message) from error
    if not vocabulary.fits(data):
        message = (
            f"what came from {vocabulary.url} is not the published vocabulary of {name}: its "
            f"SHA-256 must be {vocabulary.sha256} and is {sha256(data).hexdigest()}. Nothing was "
            f"written. Something on the way, such as a proxy, may have answered instead: run "
            f"`pagefault vocabulary {name}` again from another network, {by_hand}"
        )
        raise VocabularyMissing(message)
    return data


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
