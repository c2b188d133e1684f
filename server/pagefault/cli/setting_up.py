"""From options to what a command works with: settings, folders, a memory, a workspace."""

from __future__ import annotations

import re
import tempfile
from argparse import Namespace
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import platformdirs

from ..base.config import SETTINGS, Resolved, environment, resolve
from ..base.errors import InvalidArgument, StoreUnavailable, WorkspaceNotFound
from ..base.repository import Repository, find_repository
from ..base.tokens import tiktoken_cache
from ..memory.core import Memory
from ..memory.opening import Folders, open_memory, store_url, tokenizer_name
from ..stores.contract import Workspace, WorkspaceRequest
from ..stores.opening import Options, opener, sqlite_path

LOCAL = "local"  # the principal of stdio, and so of these commands


@dataclass(frozen=True, slots=True)
class SetUp:
    """Everything a command needs to know about this machine and this call."""

    resolved: Resolved
    folders: Folders
    config: Path

    def memory(self) -> Memory:
        """A memory that is not open yet."""
        return open_memory(self.resolved.settings, self.folders)

    def repository(self) -> Repository | None:
        """The repository that names the workspace, unless a setting does."""
        return None if self.resolved.settings.workspace else find_repository(Path.cwd())

    def tokenizer(self) -> str:
        """The tokenizer of a workspace that is made now."""
        return tokenizer_name(self.resolved.settings, self.folders)


def set_up(options: Namespace) -> SetUp:
    """Read the settings: options over the environment over the file over the defaults.

    Raises:
        InvalidArgument: a setting has a value that it cannot have.
    """
    environ = environment()
    config = _config(getattr(options, "config", None), environ)
    flags = {setting.name: getattr(options, setting.name, None) for setting in SETTINGS}
    data = platformdirs.user_data_path("pagefault", appauthor=False)
    cache = tiktoken_cache(environ, Path(tempfile.gettempdir()))
    folders = Folders(data, data / "vocabularies", (cache,))
    return SetUp(resolve(flags, environ, config), folders, config)


@asynccontextmanager
async def opened(ready: SetUp) -> AsyncIterator[Memory]:
    """An open memory, closed at the end; errors come out as they are.

    Raises:
        StoreError: the store cannot be opened.
    """
    memory = ready.memory()
    await memory.ready()
    try:
        yield memory
    finally:
        await memory.close()


async def standing_workspace(
    ready: SetUp, memory: Memory, *, create: bool, tokenizer: str | None = None
) -> Workspace:
    """The workspace that a server started here would use; ``tokenizer``: of a new one.

    Raises:
        WorkspaceNotFound: ``create`` is False and there is none.
    """
    named = ready.resolved.settings.workspace
    repository = ready.repository()
    return await memory.store.open_workspace(
        WorkspaceRequest(
            LOCAL,
            tokenizer or ready.tokenizer(),
            memory.now(),
            id=named or None,
            name=repository.name if repository else "default",
            fingerprint=repository.fingerprint if repository else None,
            create=create,
        )
    )


async def every_workspace(ready: SetUp, memory: Memory) -> list[Workspace]:
    """Everybody's workspaces, or those of the id that a setting names.

    Raises:
        WorkspaceNotFound: there is none of that id.
    """
    named = ready.resolved.settings.workspace
    found = [
        workspace
        for principal in await memory.store.principals()
        for workspace in await memory.store.workspaces(principal)
        if not named or workspace.id == named
    ]
    if named and not found:
        message = f"no workspace {named!r}: `pagefault doctor` lists those that there are"
        raise WorkspaceNotFound(message)
    return found


def _config(named: str | None, environ: Mapping[str, str]) -> Path:
    given = named or environ.get("PAGEFAULT_CONFIG")
    if not given:
        return platformdirs.user_config_path("pagefault", appauthor=False) / "config.toml"
    if not Path(given).is_file():
        message = f"there is no settings file at {given}: correct the path, or leave it out"
        raise InvalidArgument(message)
    return Path(given)


def data_file(ready: SetUp) -> Path | None:
    """The file that the store is; None when it is memory or a server."""
    url = store_url(ready.resolved.settings, ready.folders)
    return sqlite_path(url) if _is_sqlite(url) else None


def server_url(ready: SetUp) -> str | None:
    """The URL of the server that is the store, with its password; None when it is none."""
    url = store_url(ready.resolved.settings, ready.folders)
    return None if _is_sqlite(url) else url


def shown(url: str) -> str:
    """A store's URL as it may be printed: a server's without user, password and options.

    Whatever stands before the last @ is left out, since a password may hold any sign unquoted.
    """
    if _is_sqlite(url):
        return url
    scheme, _, rest = url.partition("://")
    prefix = re.search(r"[?&](prefix=[\w.:-]+)", rest)
    place = re.split(r"[?#]", rest.rpartition("@")[2])[0]
    return f"{scheme}://{place}" + (f"?{prefix[1]}" if prefix else "")


def require_data(ready: SetUp) -> None:
    """For commands that only read: an empty store made by mistake would help nobody.

    Raises:
        InvalidArgument: the store's URL cannot be read.
        StoreUnavailable: the data file does not exist, or the server has no workspace.
    """
    path, url = data_file(ready), server_url(ready)
    if path is not None and not path.is_file():
        message = f"there is no data file at {path}. Name yours with --store"
        raise StoreUnavailable(message)
    if url is not None:
        opener(url, Options())  # a scheme that is none is said to be none
        if not anyio.run(_principals, ready, url):
            message = f"{shown(url)} holds no workspace. Check host, number and prefix in --store"
            raise StoreUnavailable(message)


async def _principals(ready: SetUp, url: str) -> list[str]:
    """Everybody who has a workspace at the server; nothing is made, here or there."""
    from ..stores.redis.inspecting import Inspector

    async with Inspector(url, ready.resolved.settings.redis_timeout_ms / 1000) as server:
        return await server.principals()


def _is_sqlite(url: str) -> bool:
    return "://" not in url or url.startswith("sqlite://")
