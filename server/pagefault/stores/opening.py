"""From a store's URL to the store. A new store is a file in this folder and a line in `SCHEMES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..base.errors import InvalidArgument
from .contract import Store


@dataclass(frozen=True, slots=True)
class Options:
    """How a store is used.

    ``synced``: a durable commit waits for the disk. The rest is for stores on another machine:
    ``folder`` for what they keep on this one (None: in memory), ``timeout`` in seconds for one
    request with its retries, ``replicas`` and ``aof``: whose confirmation a durable commit waits
    for, beyond the server's own.
    """

    synced: bool = True
    folder: Path | None = None
    timeout: float = 2.5
    replicas: int = 0
    aof: bool = False


def sqlite_path(url: str) -> Path | None:
    """The file of a ``sqlite://`` URL or of a plain path; None for ``:memory:``."""
    rest = url.removeprefix("sqlite://")
    if rest in (":memory:", "/:memory:"):
        return None
    # sqlite:///path is absolute after its third slash, as is sqlite:////path
    path = "/" + rest.lstrip("/") if url.startswith("sqlite:///") else rest
    if len(path) > 2 and path[0] == "/" and path[2] == ":":  # sqlite:///C:/… on Windows
        path = path[1:]
    return Path(path).expanduser()


def opener(url: str, options: Options) -> Callable[[], Store]:
    """What opens the store at ``url``.

    Raises:
        InvalidArgument: the URL's scheme is none that there is.
    """
    scheme = url.partition("://")[0] if "://" in url else "sqlite"
    if scheme not in SCHEMES:
        message = (
            f"--store: there is no store for {scheme}://. "
            f"Use one of {', '.join(f'{name}://' for name in SCHEMES)}"
        )
        raise InvalidArgument(message)
    return lambda: SCHEMES[scheme](url, options)


def _sqlite(url: str, options: Options) -> Store:
    from .sqlite import SqliteStore

    return SqliteStore.open(sqlite_path(url), synced=options.synced)


def _redis(url: str, options: Options) -> Store:
    from .redis import RedisStore
    from .redis.writer import Confirmation

    confirmation = Confirmation(options.replicas, options.aof, options.timeout / 2)
    return RedisStore.open(url, options.folder, timeout=options.timeout, confirmation=confirmation)


SCHEMES: Mapping[str, Callable[[str, Options], Store]] = MappingProxyType(
    {
        "sqlite": _sqlite,
        **dict.fromkeys(("redis", "rediss", "unix", "redis+cluster", "rediss+cluster"), _redis),
    }
)
