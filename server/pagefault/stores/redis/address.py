"""From a URL to where the server is and how to speak to it.

``redis://user:password@host:port/0``, ``rediss://…`` (TLS), ``unix:///path/to/socket``,
``redis+cluster://host:port,host:port`` and ``rediss+cluster://…``. The parameter ``prefix`` is
ours: all keys begin with it, so that several memories may share a server. Other parameters, such
as ``ssl_ca_certs`` or ``db``, are those of the redis package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ...base.errors import InvalidArgument

_PORT = 6379
_PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
# Of a cluster's nodes: what may be set by a URL, and how its text is read.
_OPTIONS: Mapping[str, Callable[[str], object]] = {
    "ssl_ca_certs": str,
    "ssl_ca_path": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_cert_reqs": str,
    "ssl_check_hostname": lambda text: _BOOLEANS[text.lower()],
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is. ``nodes``: of a cluster, host and port of some of its nodes.

    ``url`` is what the redis package reads; it may hold a password, ``name`` does not.
    """

    url: str
    name: str
    prefix: str
    nodes: tuple[tuple[str, int], ...] = ()
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """A short name for this server and prefix, the same at every start."""
        return blake2b(f"{self.name} {self.prefix}".encode(), digest_size=8).hexdigest()


def read_address(url: str) -> Address:
    """The address that a URL names.

    Raises:
        InvalidArgument: the URL cannot be read; the message does not hold its password.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = query.pop("prefix", "pf")
    if not _PREFIX.fullmatch(prefix):
        message = f"--store: prefix {prefix[:80]!r}: use 1 to 64 letters, digits or . _ : -"
        raise InvalidArgument(message)
    hosts = parts.netloc.rpartition("@")[2]
    name = f"{parts.scheme}://{hosts}{parts.path}"
    if parts.scheme.endswith("+cluster"):
        return _cluster(url, name, prefix, query)
    plain = parts._replace(query=urlencode(query)).geturl()
    return Address(plain, name, prefix)


def _cluster(url: str, name: str, prefix: str, query: dict[str, str]) -> Address:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options: dict[str, Any] = {"ssl": parts.scheme.startswith("rediss")}
    if user:
        options["username"] = unquote(user)
    if password:
        options["password"] = unquote(password)
    for option, text in query.items():
        options[option] = _option(option, text)
    nodes = tuple(_node(host) for host in hosts.split(",") if host)
    if not nodes:
        message = f"--store {name!r} names no node. Write redis+cluster://host:port,host:port"
        raise InvalidArgument(message)
    return Address("", name, prefix, nodes, options)


def _node(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", str(_PORT))
    return host.strip("[]"), int(port)


def _option(option: str, text: str) -> object:
    try:
        return _OPTIONS[option](text)
    except KeyError:
        message = (
            f"--store: {option}={text[:40]!r} is no option of a cluster. "
            f"Known: prefix, {', '.join(_OPTIONS)}"
        )
        raise InvalidArgument(message) from None
