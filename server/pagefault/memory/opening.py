"""From settings to a memory: which store, tokenizer, policy and compressors they name."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.clock import RandomIds, SystemClock
from ..base.config import Settings
from ..base.errors import InvalidArgument
from ..base.tokens import Tokenizer, find_vocabulary, open_tokenizer
from ..paging.eviction import POLICIES, Policy
from ..paging.levels import COMPRESSORS, Compressor
from ..stores.opening import Options, opener
from .core import Memory, Tools
from .levels import MODEL


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things lie on this machine: our data, our vocabularies, tiktoken's own cache."""

    data: Path
    vocabularies: Path
    caches: Sequence[Path] = ()


def open_memory(settings: Settings, folders: Folders) -> Memory:
    """A memory for the settings; its store is opened when it is first needed.

    Raises:
        InvalidArgument: a setting names a store, policy or compressor that does not exist.
    """
    url = store_url(settings, folders)

    def tokenizer(name: str) -> Tokenizer:
        return open_tokenizer(name, folders.vocabularies, caches=folders.caches)

    tools = Tools(
        SystemClock(),
        RandomIds(),
        opener(url, store_options(settings, folders)),
        tokenizer,
        find_policy(settings.policy),
        find_compressors(settings.compressors),
    )
    return Memory(settings, tools)


def store_options(settings: Settings, folders: Folders) -> Options:
    """How the store is used."""
    return Options(
        synced=settings.durability == "full",
        folder=folders.data,
        timeout=settings.redis_timeout_ms / 1000,
        replicas=settings.redis_replicas,
        aof=settings.redis_aof == "yes",
    )


def store_url(settings: Settings, folders: Folders) -> str:
    """The store in force: the one that was named, else a file in the data folder."""
    return settings.store or str(folders.data / "memory.db")


def tokenizer_name(settings: Settings, folders: Folders) -> str:
    """The tokenizer of a workspace that is made now."""
    if settings.tokenizer != "auto":
        return settings.tokenizer
    return find_vocabulary(folders.vocabularies, caches=folders.caches) or "estimate"


def find_policy(name: str) -> Policy:
    """A policy of ours, or a user's own by ``module:name``.

    Raises:
        InvalidArgument: there is none by that name.
    """
    if name in POLICIES:
        return POLICIES[name]
    try:
        policy: Policy = _named(name)
    except (ImportError, AttributeError, ValueError) as error:
        message = (
            f"--policy {name[:80]!r}: use {', '.join(POLICIES)}, or module:name of a function that "
            f"orders pages ({error})"
        )
        raise InvalidArgument(message) from None
    return policy


def find_compressors(names: str) -> Sequence[Compressor]:
    """A user's own compressors by ``module:name``, separated by commas, and then ours.

    Each name stands for a `Compressor`, for a function that one is made of, or for several in a
    list or tuple.

    Raises:
        InvalidArgument: there is none by that name, or it is something else.
    """
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    return (*(one for name in chosen for one in _compressors(name)), *COMPRESSORS)


def _compressors(name: str) -> list[Compressor]:
    try:
        found = _named(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise _no_compressor(name, error) from None
    several = found if isinstance(found, list | tuple) else [found]
    made = [_compressor(name, one) for one in several]
    if any(one is None or one.name in ("", MODEL) for one in made) or not made:
        raise _no_compressor(name, f"it is a {type(found).__name__}")
    return [one for one in made if one is not None]


def _compressor(name: str, found: object) -> Compressor | None:
    if isinstance(found, Compressor):
        return found
    return Compressor(name, found) if callable(found) else None


def _no_compressor(name: str, why: object) -> InvalidArgument:
    message = (
        f"--compressors {name[:80]!r}: give module:name of a Compressor, or of a function of a "
        f"source and a target that returns a text or None ({why})"
    )
    return InvalidArgument(message)


def _named(name: str) -> Any:  # noqa: ANN401 - whatever a module holds under a name
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
