"""From options to what a command works with: settings, folders, a memory, a place."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ..base.config import SETTINGS, Resolved, environment, resolve
from ..base.repository import find_repository
from ..base.tokens import tiktoken_cache
from ..memory.core import Memory
from ..memory.opening import Folders, open_memory, tokenizer_name
from ..surface.door import Place


@dataclass(frozen=True, slots=True)
class SetUp:
    """Everything a command needs to know about this machine and this call."""

    resolved: Resolved
    folders: Folders
    config: Path

    def memory(self) -> Memory:
        """A memory that is not open yet."""
        return open_memory(self.resolved.settings, self.folders)

    def place(self) -> Place:
        """Where the server stands: the workspace by name, else by repository."""
        settings = self.resolved.settings
        repository = None if settings.workspace else find_repository(Path.cwd())
        return Place(
            settings.workspace,
            repository.name if repository else "default",
            repository.fingerprint if repository else None,
            tokenizer_name(settings, self.folders),
        )


def set_up(options: Namespace) -> SetUp:
    """Read the settings: options over the environment over the file over the defaults.

    Raises:
        InvalidArgument: a setting has a value that it cannot have.
    """
    environ = environment()
    config = Path(
        options.config
        or environ.get("PAGEFAULT_CONFIG")
        or platformdirs.user_config_path("pagefault", appauthor=False) / "config.toml"
    )
    flags = {setting.name: getattr(options, setting.name, None) for setting in SETTINGS}
    data = platformdirs.user_data_path("pagefault", appauthor=False)
    cache = tiktoken_cache(environ, Path(tempfile.gettempdir()))
    folders = Folders(data, data / "vocabularies", (cache,))
    return SetUp(resolve(flags, environ, config), folders, config)
