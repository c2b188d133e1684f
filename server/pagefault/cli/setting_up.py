"""From options to what a command works with: settings, folders, a memory, a workspace."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ..base.config import SETTINGS, Resolved, environment, resolve
from ..base.errors import InvalidArgument, StoreUnavailable
from ..base.repository import Repository, find_repository
from ..base.tokens import tiktoken_cache
from ..memory.core import Memory
from ..memory.opening import Folders, open_memory, store_url, tokenizer_name
from ..stores.contract import Workspace, WorkspaceRequest
from ..stores.opening import sqlite_path

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
    return sqlite_path(url) if url.startswith("sqlite://") or "://" not in url else None


def require_data(ready: SetUp) -> None:
    """For commands that only read: an empty store made by mistake would help nobody.

    Raises:
        StoreUnavailable: the data file does not exist.
    """
    path = data_file(ready)
    if path is not None and not path.is_file():
        message = f"there is no data file at {path}. Name yours with --store"
        raise StoreUnavailable(message)
