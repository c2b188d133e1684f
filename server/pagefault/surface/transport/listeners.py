"""The sockets of the HTTP server: where it may listen, and opening them."""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BACKLOG = 2048
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class RefusedBind(ValueError):
    """The server will not, or cannot, listen where it was told to."""


class Address(NamedTuple):
    """One address to listen on; ``host`` is numeric."""

    family: socket.AddressFamily
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect to it."""
        return ipaddress.ip_address(self.host).is_loopback


async def resolve(host: str, port: int) -> Sequence[Address]:
    """Every address that ``host`` stands for; an empty host stands for all of this machine's.

    Raises:
        RefusedBind: when the name is not known.
    """
    try:
        found = await anyio.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        message = (
            f"cannot listen on {host!r}: {error}. Give --host an address of this machine, "
            "such as 127.0.0.1, or 0.0.0.0 for all of them."
        )
        raise RefusedBind(message) from None
    return [Address(family, str(where[0]), int(where[1])) for family, *_, where in found]


def require_loopback(host: str, addresses: Sequence[Address]) -> None:
    """For a server without tokens, which must be out of reach from other machines.

    Raises:
        RefusedBind: when any of the addresses is not loopback.
    """
    if not all(address.loopback for address in addresses):
        message = (
            f"refusing to listen on {host!r} without tokens: only loopback (127.0.0.1, ::1, "
            "localhost) is served without them. Add --token-file FILE, or use --host 127.0.0.1."
        )
        raise RefusedBind(message)


@contextmanager
def open_listeners(addresses: Sequence[Address]) -> Iterator[list[socket.socket]]:
    """Listening sockets for the addresses this machine has; port 0 becomes one free port for all.

    Raises:
        RefusedBind: when a port is taken or forbidden, or none of the addresses exists here.
    """
    with ExitStack() as opened:
        listeners: list[socket.socket] = []
        for family, host, port in addresses:
            chosen = port or (listeners[0].getsockname()[1] if listeners else 0)
            try:
                listener = _listen(Address(family, host, chosen))
            except OSError as error:
                # `localhost` often names ::1 on machines without IPv6
                if error.errno in _NOT_HERE and len(addresses) > 1:
                    continue
                raise _refused(host, chosen, error) from None
            listeners.append(opened.enter_context(listener))
        if not listeners:
            raise _refused(addresses[0].host, addresses[0].port, OSError("no such address here"))
        yield listeners


def _listen(address: Address) -> socket.socket:
    listener = socket.create_server(
        (address.host, address.port), family=address.family, backlog=_BACKLOG
    )
    # asyncio sends small packets at once only on sockets that name their protocol, and without
    # that each answer waits for the client's delayed acknowledgement: 40 ms on Linux
    return socket.socket(
        address.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach()
    )


def _refused(host: str, port: int, error: OSError) -> RefusedBind:
    return RefusedBind(
        f"cannot listen on {host} port {port}: {error.strerror or error}. Choose another --port or "
        "--host, or stop the process that has this one."
    )
