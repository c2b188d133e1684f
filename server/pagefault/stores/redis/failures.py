"""What a Redis server's failures mean to a caller."""

from __future__ import annotations

from redis import exceptions

from ...base.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

# What the server says first, or the client's kind of error; the first that fits is told.
_REPLIES: tuple[tuple[str, type[StoreError], str], ...] = (
    ("OOM", StoreFull, "has reached its maxmemory. Raise it, or forget pages; reading goes on"),
    ("READONLY", StoreReadOnly, "is a replica and takes no writes. Name the primary with --store"),
    (
        "MISCONF",
        StoreReadOnly,
        "takes no writes, since it cannot save to its disk. Free some space there",
    ),
    (
        "NOREPLICAS",
        StoreReadOnly,
        "takes no writes, since too few replicas follow it (min-replicas-to-write)",
    ),
    ("LOADING", StoreBusy, "is still loading its data. Try again in a moment"),
    ("BUSY", StoreBusy, "is busy with a script of another program. Try again"),
    ("MASTERDOWN", StoreUnavailable, "has lost its primary. Try again when one was elected"),
    ("CLUSTERDOWN", StoreUnavailable, "has parts that no node serves. Try again, or mend it"),
    ("TRYAGAIN", StoreBusy, "is moving this workspace between nodes. Try again"),
    ("NOAUTH", StoreUnavailable, "wants a password. Put user and password into the URL"),
    ("WRONGPASS", StoreUnavailable, "refuses this user or password. Correct the URL"),
    (
        "NOPERM",
        StoreUnavailable,
        "does not let this user do what pagefault needs (scripts, strings, hashes, lists, "
        "sorted sets, sets, streams under its prefix)",
    ),
    (
        "WRONGTYPE",
        StoreDamaged,
        "holds keys of another program under this prefix. Name another with ?prefix=",
    ),
)
_KINDS: tuple[tuple[type[BaseException], type[StoreError], str], ...] = (
    (exceptions.OutOfMemoryError, *_REPLIES[0][1:]),
    (exceptions.ReadOnlyError, *_REPLIES[1][1:]),
    (exceptions.BusyLoadingError, *_REPLIES[4][1:]),
    (exceptions.AuthenticationError, *_REPLIES[10][1:]),
    (exceptions.NoPermissionError, *_REPLIES[11][1:]),
    (exceptions.ClusterDownError, *_REPLIES[7][1:]),
    (exceptions.MaxConnectionsError, StoreBusy, "is asked too much at once. Try again"),
    (
        exceptions.TimeoutError,
        StoreUnavailable,
        "did not answer in time. Try again; see whether the server is slow or away",
    ),
    (
        TimeoutError,
        StoreUnavailable,
        "did not answer in time. Try again; see whether the server is slow or away",
    ),
    (
        exceptions.RedisClusterException,
        StoreUnavailable,
        "cannot be reached as a cluster. Check the nodes in --store, or use redis://",
    ),
    (
        exceptions.ConnectionError,
        StoreUnavailable,
        "cannot be reached. Check that it runs, and host and port in --store",
    ),
    (
        OSError,
        StoreUnavailable,
        "cannot be reached. Check that it runs, and host and port in --store",
    ),
)

# The request may not have arrived, or its answer was lost: asking again may help.
PASSING = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ClusterDownError,
    exceptions.ClusterError,
    exceptions.RedisClusterException,
    exceptions.TryAgainError,
    OSError,
)
_FINAL = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.MaxConnectionsError,
)


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, _FINAL):
        return False
    return isinstance(error, PASSING) or str(error).startswith(("LOADING", "MASTERDOWN"))


def explain(error: BaseException, name: str) -> StoreError:
    """The `StoreError` that says what happened at the server ``name`` and what to do."""
    said = str(error)
    for start, meaning, text in _REPLIES:
        if said.startswith(start):
            return meaning(f"{name} {text}.")
    for kind, meaning, text in _KINDS:
        if isinstance(error, kind):
            return meaning(f"{name} {text}.")
    return StoreUnavailable(f"{name} answered what pagefault did not expect: {said[:200]}")
