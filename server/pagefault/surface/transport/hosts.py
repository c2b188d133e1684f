"""Host and Origin: which names a request may have used, so that no web page can reach in.

A page on the web can make a browser send requests to this machine, under its own name by DNS
rebinding. The SDK has such a check, but drops it for binds other than loopback and compares only
how a header begins, which lets ``127.0.0.1:80.evil.com`` through; so this one stands before it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from .refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(.+)", re.IGNORECASE)


class NamedHosts:
    """ASGI: answers 421 to a strange Host, 403 to a strange Origin; any port is fine."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        answer = self._objection(scope) or self._app
        await answer(scope, receive, send)

    def _objection(self, scope: Scope) -> Response | None:
        host = _header(scope, b"host") or ""
        if host_name(host) not in self._names:
            return _strange(421, "host", host)
        origin = _header(scope, b"origin")
        if origin is not None and _origin_name(origin) not in self._names:
            return _strange(403, "origin", origin)
        return None


def allowed_names(host: str, extra: Iterable[str]) -> frozenset[str]:
    """The bind address, the names of loopback, and the operator's own; ports are ignored.

    Raises:
        ValueError: when an extra name is not a host name or address.
    """
    names = {name for given in (*LOOPBACK_NAMES, host) if (name := host_name(given))}
    for given in extra:
        name = host_name(given)
        if name is None:
            message = (
                f"--allowed-host {given!r} is no host name: give a name or an address as clients "
                "write it, such as memory.example.com, without scheme, path or wildcard"
            )
            raise ValueError(message)
        names.add(name)
    return frozenset(names)


def host_name(authority: str) -> str | None:
    """The name in ``name``, ``name:port``, ``[v6]:port`` or a bare address, in one spelling."""
    try:
        return ipaddress.ip_address(authority).compressed
    except ValueError:
        match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return None
    try:
        return ipaddress.ip_address(match[1].strip("[]")).compressed
    except ValueError:
        return None if match[1].startswith("[") else match[1].lower()


def _origin_name(origin: str) -> str | None:
    match = _ORIGIN.fullmatch(origin)
    return host_name(match[1]) if match else None


def _header(scope: Scope, wanted: bytes) -> str | None:
    """The header's value; several of the same name are one value that no rule accepts."""
    values = [value for name, value in scope["headers"] if name == wanted]
    return b", ".join(values).decode("latin-1") if values else None


def _strange(status: int, kind: str, value: str) -> Response:
    return refusal(
        status,
        f"{kind}_not_allowed: {kind.capitalize()} {value[:200]!r} is no name of this server. Use "
        "the address it was started with, or start it with --allowed-host for this one.",
    )
