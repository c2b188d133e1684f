"""From a store's URL to the store. A new store is a file in this folder and a line in `SCHEMES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from ..base.errors import InvalidArgument
from .contract import Store


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


def opener(url: str, *, synced: bool) -> Callable[[], Store]:
    """What opens the store at ``url``. ``synced``: a durable commit waits for the disk.

    Raises:
        InvalidArgument: the URL's scheme is none that there is.
    """
    scheme = url.partition("://")[0] if "://" in url else "sqlite"
    if scheme not in SCHEMES:
        message = (
            f"--store {url[:80]!r}: there is no store for {scheme}://. "
            f"Use one of {', '.join(f'{name}://' for name in SCHEMES)}"
        )
        raise InvalidArgument(message)
    return lambda: SCHEMES[scheme](url, synced)


def _sqlite(url: str, synced: bool) -> Store:
    from .sqlite import SqliteStore

    return SqliteStore.open(sqlite_path(url), synced=synced)


SCHEMES: Mapping[str, Callable[[str, bool], Store]] = MappingProxyType({"sqlite": _sqlite})
