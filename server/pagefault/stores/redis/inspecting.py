"""Looking at a server and what is kept there without changing either: what `doctor` reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ...base.clock import RandomIds
from ..contract import Workspace
from .address import read_address
from .examining import Examined, Examiner
from .link import Link, Said, Script
from .registry import Registry

OLDEST = (7, 0)  # what knows the flags of a script
OLDEST_WAITAOF = (7, 2)


@dataclass(frozen=True, slots=True)
class Primary:
    """What is known of one primary; None, or nothing, where it did not tell.

    ``failure``: why it does not answer. ``told``: whether it let us ask INFO. ``level``: the
    version of Redis that it behaves like. ``snapshots``: the setting `save`. Memory is in bytes,
    ``round_trip`` in seconds.
    """

    name: str
    failure: str | None = None
    round_trip: float = 0.0
    told: bool = False
    product: str = ""
    level: tuple[int, ...] = ()
    role: str = ""
    in_cluster: bool = False
    cluster_state: str | None = None
    aof: bool = False
    aof_fails: bool = False
    snapshot_fails: bool = False
    policy: str = ""
    memory: int = 0
    memory_limit: int = 0
    evicted: int = 0
    replicas: int = 0
    fsync: str | None = None
    snapshots: str | None = None
    replicas_needed: int | None = None


def primary_of(said: Said) -> Primary:
    """The facts in what a server says of itself."""
    if said.info is None:
        return Primary(said.name, said.failure, said.round_trip)
    info, config = said.info, said.config or {}
    valkey = info.get("valkey_version")
    version = str(info.get("redis_version", ""))
    needed = config.get("min-replicas-to-write")
    return Primary(
        said.name,
        None,
        said.round_trip,
        told=True,
        product=f"Valkey {valkey}" if valkey else f"Redis {version}",
        level=tuple(map(int, re.findall(r"\d+", version))),
        role=info.get("role", ""),
        in_cluster=bool(info.get("cluster_enabled")),
        cluster_state=(said.cluster or {}).get("cluster_state"),
        aof=bool(info.get("aof_enabled")),
        aof_fails=info.get("aof_last_write_status", "ok") != "ok",
        snapshot_fails=info.get("rdb_last_bgsave_status", "ok") != "ok",
        policy=info.get("maxmemory_policy", ""),
        memory=info.get("used_memory", 0),
        memory_limit=info.get("maxmemory", 0),
        evicted=info.get("evicted_keys", 0),
        replicas=sum(_is_online(name, value) for name, value in info.items()),
        fsync=config.get("appendfsync"),
        snapshots=config.get("save"),
        replicas_needed=None if needed is None else int(needed),
    )


class Inspector:
    """Read-only checks of one server or cluster; use it as an async context manager.

    ``timeout``: seconds for one request. Every method raises `StoreError` for what it meets.

    Raises:
        InvalidArgument: the URL cannot be read.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.address = read_address(url)
        self._timeout = timeout
        self._script = Script("keys", "read", flags="no-writes")

    @property
    def place(self) -> str:
        """Where it looks, without a password."""
        return f"{self.address.name}?prefix={self.address.prefix}"

    async def __aenter__(self) -> Self:
        self._link = Link(self.address, self._timeout)
        self._registry = Registry(self._link, self.address.prefix, RandomIds())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()

    async def primaries(self) -> list[Primary]:
        """What every primary says of itself."""
        return [primary_of(node) for node in await self._link.nodes()]

    async def try_script(self) -> None:
        """See that this user may run scripts here, by one that finds nothing."""
        await self._ask(f"{self.address.prefix}:{{none}}", "totals")

    async def principals(self) -> list[str]:
        """Everybody who has a workspace here."""
        return await self._registry.principals()

    async def workspaces(self, principal: str) -> list[tuple[Workspace, str]]:
        """A principal's workspaces, each with what its keys begin with."""
        return await self._registry.all(principal)

    async def examine(self, workspace: Workspace, place: str) -> Examined:
        """Read all of a workspace, and see whether it is whole."""
        return await Examiner(self._link, self._script, workspace, place).examine()

    async def _ask(self, place: str, question: str, *arguments: str | int) -> Any:  # noqa: ANN401
        return await self._link.script(self._script, place, question, *arguments)


def _is_online(name: str, said: Any) -> bool:  # noqa: ANN401 - a line of INFO
    return (
        re.fullmatch(r"slave\d+", name) is not None
        and isinstance(said, Mapping)
        and said.get("state") == "online"
    )
