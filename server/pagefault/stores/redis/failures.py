"""What a Redis server's failures mean to a caller."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping

from redis import exceptions

from ...base.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

_UNREACHABLE = "cannot be reached. Check that it runs, and host, port and TLS in --store"
_LATE = "did not answer in time. Try again; see whether the server is slow or away"
_MOVING = "is moving this workspace between nodes. Try again"

# By the first word that the server says, or one of ours in small letters.
_MEANINGS: Mapping[str, tuple[type[StoreError], str]] = {
    "OOM": (StoreFull, "has reached its maxmemory. Raise it, or forget pages; reading goes on"),
    "READONLY": (StoreReadOnly, "is a replica and takes no writes. Name the primary with --store"),
    "MISCONF": (
        StoreReadOnly,
        "takes no writes, since it cannot save to its disk. Free some space there",
    ),
    "NOREPLICAS": (
        StoreReadOnly,
        "takes no writes, since too few replicas follow it (min-replicas-to-write)",
    ),
    "LOADING": (StoreBusy, "is still loading its data. Try again in a moment"),
    "BUSY": (StoreBusy, "is busy with a script of another program. Try again"),
    "MASTERDOWN": (StoreUnavailable, "has lost its primary. Try again when one was elected"),
    "CLUSTERDOWN": (StoreUnavailable, "has parts that no node serves. Try again, or mend it"),
    "TRYAGAIN": (StoreBusy, _MOVING),
    "ASK": (StoreBusy, _MOVING),
    "MOVED": (StoreUnavailable, "is a node of a cluster. Write redis+cluster://host:port"),
    "NOAUTH": (StoreUnavailable, "wants a password. Put user and password into the URL"),
    "WRONGPASS": (StoreUnavailable, "refuses this user or password. Correct the URL"),
    "NOPERM": (
        StoreUnavailable,
        "does not let this user do what pagefault needs (scripts, strings, hashes, lists, "
        "sorted sets, sets, streams under its prefix). Give the user more, or name another",
    ),
    "WRONGTYPE": (
        StoreDamaged,
        "holds keys of another program under this prefix. Name another with ?prefix=",
    ),
    "no cluster": (StoreUnavailable, "is no cluster. Write redis://host:port"),
    "no database": (
        StoreUnavailable,
        "has no database with this number. Name a lower one in --store, or none",
    ),
    "clients": (
        StoreBusy,
        "has as many clients as it takes (maxclients). Raise that, or end some, and try again",
    ),
    "crowded": (StoreBusy, "is asked too much at once by this server. Try again"),
    "late": (StoreUnavailable, _LATE),
    "certificate": (
        StoreUnavailable,
        "shows a certificate that is not trusted here. Name its authority with ssl_ca_certs=, "
        "and the host as the certificate does",
    ),
    "unreachable": (StoreUnavailable, _UNREACHABLE),
}
# What the server says after ERR, which is no word of its own.
_PHRASES: Mapping[str, str] = {
    "max number of clients reached": "clients",
    "This instance has cluster support disabled": "no cluster",
    "DB index is out of range": "no database",
}
_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "certificate"),
    (exceptions.MaxConnectionsError, "crowded"),
    (exceptions.AuthenticationError, "WRONGPASS"),
    (exceptions.TimeoutError, "late"),
    (TimeoutError, "late"),
    (exceptions.ConnectionError, "unreachable"),
    (OSError, "unreachable"),
)
# The same request may succeed a moment later.
_PASSING = {
    *("LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"),
    *("clients", "late", "unreachable"),
}


class Unanswered(StoreUnavailable):
    """The request was sent, and what came of it is not known."""


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    return _word(error) in _PASSING


def is_answer(error: exceptions.RedisError) -> bool:
    """Whether the server said so, and did not do what it was asked."""
    return isinstance(error, exceptions.ResponseError) or error.status_code is not None


def explain(error: BaseException, name: str) -> StoreError:
    """The `StoreError` that says what happened at the server ``name`` and what to do."""
    meaning, text = _MEANINGS.get(_word(error)) or (
        StoreUnavailable,
        f"answered what pagefault did not expect: {str(error)[:200]}",
    )
    return meaning(f"{name} {text}.")


def _word(error: BaseException) -> str:
    """The word by which the meanings know an error; any other when they do not."""
    said = str(error)
    for phrase, word in _PHRASES.items():
        if said.removeprefix("ERR ").startswith(phrase):
            return word
    first = getattr(error, "status_code", None) or said.partition(" ")[0]
    if first in _MEANINGS:
        return str(first)
    return next((word for kind, word in _KINDS if _is_of(error, kind)), "")


def _is_of(error: BaseException, kind: type[BaseException]) -> bool:
    if kind is ssl.SSLCertVerificationError:  # the redis package hides it behind its own
        return any(isinstance(cause, kind) for cause in _causes(error))
    return isinstance(error, kind)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
