"""From settings to a memory: which store, tokenizer and policy they name."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..base.clock import RandomIds, SystemClock
from ..base.config import Settings
from ..base.errors import InvalidArgument
from ..base.tokens import Tokenizer, find_vocabulary, open_tokenizer
from ..paging.eviction import POLICIES, Policy
from ..stores.opening import Options, opener
from .core import Memory, Tools


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things lie on this machine: our data, our vocabularies, tiktoken's own cache."""

    data: Path
    vocabularies: Path
    caches: Sequence[Path] = ()


def open_memory(settings: Settings, folders: Folders) -> Memory:
    """A memory for the settings; its store is opened when it is first needed.

    Raises:
        InvalidArgument: a setting names a store or policy that does not exist.
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
    module, _, attribute = name.partition(":")
    try:
        policy: Policy = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        message = (
            f"--policy {name[:80]!r}: use {', '.join(POLICIES)}, or module:name of a function that "
            f"orders pages ({error})"
        )
        raise InvalidArgument(message) from None
    return policy
