"""What `doctor` checks of a Redis server, and of what is kept there. Nothing here writes.

A further look at a primary is a function and its line in `_LOOKS`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from ..base.config import Settings
from ..base.errors import PagefaultError, StoreDamaged
from ..index.looking import FollowerFacts, look
from ..stores.contract import Workspace
from ..stores.redis.examining import Examined
from ..stores.redis.inspecting import OLDEST, OLDEST_WAITAOF, Inspector, Primary
from .finding import REPAIR, Finding
from .repairing import disagreeing
from .setting_up import LOCAL, SetUp

_CLOSE = 0.9  # of the memory's limit, from where on it is said
_RESTORE = (
    "Stop the servers, keep what is there, and `pagefault migrate` a backup to another prefix. "
    "Without one, `pagefault export` saves what can still be read"
)


def check_server(ready: SetUp, url: str) -> Generator[Finding, None, set[str]]:
    """Everything about the server at ``url``; at the end the names of the tokenizers in use.

    Raises:
        PagefaultError: what keeps it from looking further.
    """
    settings = ready.resolved.settings
    inspector = Inspector(url, settings.redis_timeout_ms / 1000)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(inspector) as server,
    ):
        primaries = portal.call(server.primaries)
        said = [*_answers(server.place, primaries), *_of_primaries(primaries, settings)]
        if not server.address.cluster and any(one.in_cluster for one in primaries):
            said.append(_part_of_a_cluster())
        yield from said
        if any(one.what in ("data", "version", "cluster") and one.state == "fail" for one in said):
            return set()
        portal.call(server.try_script)
        yield Finding("ok", "scripts", "this user may run them")
        index = yield from _index(server.address.index_file(ready.folders.data))
        places = yield from _listed(
            portal.call(server.principals), lambda name: portal.call(server.workspaces, name)
        )
        examined = []
        for workspace, place in places:
            examined.append(portal.call(server.examine, workspace, place))
            yield _workspace(examined[-1], index)
        yield from _whole(examined)
    return {workspace.tokenizer for workspace, _ in places}


# What the primaries say of themselves.


def _answers(place: str, primaries: Sequence[Primary]) -> Iterator[Finding]:
    for primary in primaries:
        if primary.failure is not None:
            found = primary.failure if len(primaries) == 1 else f"{primary.name}: {primary.failure}"
            yield Finding("fail", "data", found)
    times = sorted(primary.round_trip * 1000 for primary in primaries if primary.failure is None)
    if len(primaries) == len(times) == 1:
        yield Finding("ok", "data", f"{place} answers in {times[0]:.1f} ms")
    elif times:
        yield Finding(
            "ok",
            "data",
            f"{place}: {len(times)} of {len(primaries)} primaries answer, "
            f"in {times[0]:.1f} to {times[-1]:.1f} ms",
        )


def _of_primaries(primaries: Sequence[Primary], settings: Settings) -> Iterator[Finding]:
    """What there is to say of each; what holds for all of them is said once."""
    answering = [primary for primary in primaries if primary.failure is None]
    said: dict[Finding, list[str]] = {}
    for primary in answering:
        for finding in about(primary, settings):
            said.setdefault(finding, []).append(primary.name)
    for finding, names in said.items():
        if len(names) == len(answering):
            yield finding
        else:
            yield replace(finding, found=f"{', '.join(names)}: {finding.found}")


def about(primary: Primary, settings: Settings) -> Iterator[Finding]:
    """What there is to say of one primary that answers."""
    if not primary.told:
        yield Finding(
            "warn",
            "version",
            "the server does not let this user ask INFO: its version and how it keeps the data "
            "were not seen",
            "Allow INFO, or look there as another user",
        )
        return
    for looked in _LOOKS:
        yield from looked(primary, settings)


def _version(primary: Primary, _: Settings) -> Iterator[Finding]:
    if primary.level < OLDEST:
        yield Finding(
            "fail",
            "version",
            f"{primary.product} does not know the flags of scripts, as Redis 7.0 and Valkey do",
            "Update the server",
        )
    else:
        yield Finding("ok", "version", primary.product)


def _role(primary: Primary, _: Settings) -> Iterator[Finding]:
    if primary.role == "slave":
        yield Finding(
            "fail",
            "role",
            "the server is a replica: it takes no writes, and what it tells may be late",
            "Name the primary with --store",
        )


def _cluster(primary: Primary, _: Settings) -> Iterator[Finding]:
    if primary.cluster_state == "ok":
        yield Finding("ok", "cluster", "its state is ok")
    elif primary.cluster_state is not None:
        yield Finding(
            "fail",
            "cluster",
            f"its state is {primary.cluster_state}: some workspaces cannot be reached",
            "See CLUSTER NODES and CLUSTER SLOTS: every slot needs a primary that answers",
        )


def _part_of_a_cluster() -> Finding:
    return Finding(
        "fail",
        "cluster",
        "the server is one node of a cluster, which has only a part of the data",
        "Name the cluster: --store redis+cluster://host:port,host:port",
    )


def _hidden(primary: Primary, _: Settings) -> Iterator[Finding]:
    if primary.fsync is None:
        yield Finding(
            "warn",
            "configuration",
            "the server does not let this user see CONFIG: how often it syncs its disk, whether "
            "it keeps snapshots and how many replicas a write needs were not seen",
            "Look at appendfsync, save and min-replicas-to-write where the server is managed",
        )


def _persistence(primary: Primary, settings: Settings) -> Iterator[Finding]:
    if primary.aof_fails:
        yield Finding(
            "fail",
            "persistence",
            "the server could not write its append-only file, and takes no writes",
            "See its log; free some space on its disk",
        )
    elif primary.aof:
        yield _synced(primary, settings)
    elif primary.snapshots == "":
        yield Finding(
            "warn",
            "persistence",
            "the server keeps nothing on its disk: when it ends, everything is lost",
            "Set appendonly yes, in its configuration and with CONFIG SET",
        )
    else:
        yield Finding(
            "warn",
            "persistence",
            "the append-only file is off: a crash loses what was written since the last snapshot",
            "Set appendonly yes, in its configuration and with CONFIG SET",
        )
    if primary.snapshot_fails:
        yield Finding(
            "warn",
            "snapshots",
            "the last one failed; the server may take no writes until one succeeds",
            "See its log; free some space on its disk",
        )


def _synced(primary: Primary, settings: Settings) -> Finding:
    if primary.fsync == "always":
        return Finding("ok", "persistence", "append-only file, synced before each reply")
    if settings.redis_aof == "yes" and primary.level >= OLDEST_WAITAOF:
        return Finding(
            "ok", "persistence", "append-only file, whose syncing durable writes wait for"
        )
    if primary.fsync is None:
        return Finding("ok", "persistence", "append-only file; how often it is synced was not seen")
    lost = "about the last second" if primary.fsync == "everysec" else "the last half minute"
    return Finding(
        "ok" if settings.durability == "normal" else "warn",
        "persistence",
        f"append-only file, appendfsync {primary.fsync}: a power cut may lose {lost}",
        "With appendfsync always on the server, or --redis-aof yes here, it does not",
    )


def _memory(primary: Primary, _: Settings) -> Iterator[Finding]:
    limit = primary.memory_limit
    used = f"{primary.memory:,} bytes used" + (f" of {limit:,}" if limit else ", without a limit")
    if primary.policy not in ("noeviction", ""):
        lost = "pages" if primary.policy.startswith("allkeys") else "its memory of what was sent"
        so_far = f", {primary.evicted:,} keys so far" if primary.evicted else ""
        yield Finding(
            "warn",
            "eviction",
            f"maxmemory-policy {primary.policy}: when the server is full it throws {lost} away"
            f"{so_far}",
            "Set maxmemory-policy noeviction; a server that is full then says so",
        )
    if limit and primary.memory >= limit:
        full = primary.policy == "noeviction"
        yield Finding(
            "fail" if full else "warn",
            "memory",
            f"{used}: it is full" + (", and takes no writes" if full else ""),
            "Raise maxmemory, or forget pages",
        )
    elif limit and primary.memory >= limit * _CLOSE:
        yield Finding("warn", "memory", f"{used}: it is nearly full", "Raise maxmemory")
    else:
        yield Finding("ok", "memory", used)


def _replicas(primary: Primary, settings: Settings) -> Iterator[Finding]:
    needed, there = primary.replicas_needed or 0, primary.replicas
    if there < needed:
        yield Finding(
            "fail",
            "replicas",
            f"{there} connected, and min-replicas-to-write is {needed}: it takes no writes",
            "Bring the replicas back, or lower min-replicas-to-write",
        )
    elif there < settings.redis_replicas:
        wait = settings.redis_timeout_ms / 2000
        yield Finding(
            "warn",
            "replicas",
            f"{there} connected, and --redis-replicas is {settings.redis_replicas}: every durable "
            f"write waits {wait:g} s in vain and stays unconfirmed",
            "Add replicas, or lower --redis-replicas",
        )
    else:
        yield Finding("ok", "replicas", f"{there} connected")


def _confirmation(primary: Primary, settings: Settings) -> Iterator[Finding]:
    if settings.redis_aof != "yes":
        return
    if primary.level < OLDEST_WAITAOF:
        yield Finding(
            "warn",
            "confirmation",
            f"--redis-aof yes needs WAITAOF, which {primary.product} lacks: no write is confirmed",
            "Update the server to Redis 7.2 or Valkey, or set appendfsync always there",
        )
    elif not primary.aof:
        yield Finding(
            "warn",
            "confirmation",
            "--redis-aof yes, and the append-only file is off: no write is confirmed",
            "Set appendonly yes on the server",
        )


_LOOKS: tuple[Callable[[Primary, Settings], Iterator[Finding]], ...] = (
    _version,
    _role,
    _cluster,
    _hidden,
    _persistence,
    _confirmation,
    _memory,
    _replicas,
)


# What is kept there, and beside it on this machine.


def _index(path: Path) -> Generator[Finding, None, FollowerFacts | None]:
    """The local index; what is known of it when it can be used."""
    folder = next(place for place in path.absolute().parents if place.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            "fail",
            "local index",
            f"this user may not write {folder}, where the search index lies: no server starts",
            "Change the owner or the permissions of the folder",
        )
    try:
        facts = look(path)
    except StoreDamaged as error:
        yield Finding("warn", "local index", f"{error.message}: the next start makes it anew")
        return None
    except PagefaultError as error:
        yield Finding("fail", "local index", error.message)
        return None
    if facts is None:
        yield Finding("ok", "local index", f"{path} is not there yet: the first start makes it")
        return None
    size = f"{path}, {facts.size:,} bytes, format {facts.format}"
    if not facts.current:
        yield Finding(
            "warn", "local index", f"{size}: another version's, the next start makes it anew"
        )
    else:
        yield Finding("ok", "local index", size)
    return facts


def _listed(
    principals: Sequence[str], workspaces: Callable[[str], Sequence[tuple[Workspace, str]]]
) -> Generator[Finding, None, list[tuple[Workspace, str]]]:
    """All workspaces, each with its place."""
    found = [one for name in principals for one in workspaces(name)]
    if LOCAL not in principals and (lost := workspaces(LOCAL)):
        found += lost
        yield Finding(
            "fail",
            "structure",
            f"the list of principals has lost {LOCAL}: neither backup nor migrate sees what "
            f"it has ({len(lost)} workspaces)",
            _RESTORE,
        )
    if not found:
        yield Finding("ok", "workspace", "there is none yet: the first session makes one")
    return found


def _workspace(examined: Examined, index: FollowerFacts | None) -> Finding:
    workspace = examined.workspace
    reached = 0 if index is None else index.reached.get(workspace.key, 0)
    behind = max(0, examined.indexable - reached)
    size = (
        f"{workspace.id} of {workspace.principal}: {examined.sessions:,} sessions, "
        f"{examined.pages:,} pages, {examined.lines:,} log lines"
    )
    there = 0 if index is None else index.documents.get(workspace.key, 0)
    if there != (wanted := examined.told.indexed(reached)):
        size += f"; the local index has {there:,} documents, by the log {wanted:,}"
        return Finding("fail", "workspace", size, REPAIR)
    if behind:
        size += f"; the local index is {behind:,} behind: the next search catches up"
        return Finding("ok", "workspace", size)
    return Finding("ok", "workspace", f"{size}, indexed")


def _whole(examined: Sequence[Examined]) -> Iterator[Finding]:
    """Whether structure and contents are what they should be."""
    found: Mapping[str, list[str]] = {"structure": [], "contents": []}
    for one in examined:
        name = f"{one.workspace.id} of {one.workspace.principal}"
        numbers = set(one.examination.numbers)
        rest = [complaint for complaint in one.complaints if complaint not in numbers]
        found["structure"].extend(f"{complaint} in {name}" for complaint in rest)
        found["contents"].extend(f"{damage} in {name}" for damage in one.damaged)
        yield from disagreeing(one.examination, name)
    levels = {
        f"{one.detail} in {place.workspace.id} of {place.workspace.principal}"
        for place in examined
        for one in place.examination.damage
        if one.computed
    }
    for what, complaints in found.items():
        for complaint in complaints:
            yield Finding("fail", what, complaint, REPAIR if complaint in levels else _RESTORE)
    whole = not any(one.examination.sessions or one.examination.numbers for one in examined)
    if examined and whole and not found["structure"]:
        yield Finding("ok", "structure", "log, numbers, pages and sessions agree")
    if examined and not found["contents"]:
        read = sum(one.read for one in examined)
        yield Finding("ok", "contents", f"{read:,} read back, every checksum holds")
