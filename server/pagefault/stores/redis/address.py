"""From a URL to where the server is and how to speak to it.

``redis://user:password@host:port/0``, ``rediss://…`` (TLS), ``unix:///path/to/socket``,
``redis+cluster://host:port,host:port`` and ``rediss+cluster://…``. The parameter ``prefix`` is
ours: all keys begin with it, so that several memories may share a server. The others that there
are have the names of the redis package: ``db``, ``username``, ``password``, ``ssl_ca_certs``, ….

A password is in no message: what may hold one is not quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ...base.errors import InvalidArgument

_PORT = 6379
_PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:,\[\]\s]+)(:(?P<port>\d{1,5}))?")
_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_SPECIAL = "Write special characters of a password as %40 for @, %3A for :, %2F for /, %23 for #"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is. ``nodes``: of a cluster, host and port of some of its nodes.

    ``options`` are what the redis package wants to know beside: host and port or a unix socket of
    a single server, credentials, database, TLS. They may hold a password; ``name`` does not.
    """

    name: str
    prefix: str
    cluster: bool = False
    nodes: tuple[tuple[str, int], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def index_file(self, folder: Path) -> Path:
        """Where in a folder of this machine the index of the server's workspaces lies."""
        return folder / f"index-{self.digest}.db"

    @property
    def digest(self) -> str:
        """A short name for this server and prefix, the same at every start."""
        return blake2b(f"{self.name} {self.prefix}".encode(), digest_size=8).hexdigest()


def read_address(url: str) -> Address:
    """The address that a URL names.

    Raises:
        InvalidArgument: the URL cannot be read; the message does not hold its password.
    """
    parts = _split(url)
    cluster = parts.scheme.endswith("+cluster")
    hosts = parts.netloc.rpartition("@")[2]
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = query.pop("prefix", "pf")
    if not _PREFIX.fullmatch(prefix):
        message = f"--store: prefix {prefix[:80]!r}: use 1 to 64 letters, digits or . _ : -"
        raise InvalidArgument(message)
    options = {
        **_credentials(parts),
        **_place(parts.scheme, hosts, parts.path),
        **_options(query),
    }
    if cluster and options.get("db"):
        message = f"--store: db {options['db']}: a cluster has only 0. Leave it out"
        raise InvalidArgument(message)
    name = f"{parts.scheme}://{hosts}{parts.path}"
    nodes = _nodes(parts.scheme, hosts) if cluster else ()
    return Address(name, prefix, cluster, nodes, options)


def _split(url: str) -> SplitResult:
    """The parts of a URL, none of which is a piece of a password."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets; the error would quote them
        message = f"--store: the host of the URL cannot be read. {_SPECIAL}, %5B for ["
        raise InvalidArgument(message) from None
    if "@" in parts.path + parts.query or "#" in url:
        message = f"--store: the URL has an @ behind its host, or a #. {_SPECIAL}"
        raise InvalidArgument(message)
    return parts


def _credentials(parts: SplitResult) -> dict[str, str]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: text for name, text in given.items() if text}


def _place(scheme: str, hosts: str, path: str) -> dict[str, Any]:
    """What scheme, host and path say: a socket, or a server, TLS, the database."""
    if scheme == "unix":
        if len(path) < 2:
            message = "--store: unix:// names no socket. Write unix:///path/to/redis.sock"
            raise InvalidArgument(message)
        return {"unix_socket_path": unquote(path)}
    options: dict[str, Any] = {}
    if not scheme.endswith("+cluster"):
        options["host"], options["port"] = _node(hosts or "localhost")
    if scheme.startswith("rediss"):
        options["ssl"] = True
    if database := path.strip("/"):
        options["db"] = _number("db", database)
    return options


def _nodes(scheme: str, hosts: str) -> tuple[tuple[str, int], ...]:
    nodes = tuple(_node(host) for host in hosts.split(",") if host)
    if not nodes:
        message = f"--store {scheme}:// names no node. Write {scheme}://host:port,host:port"
        raise InvalidArgument(message)
    return nodes


def _node(text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    port = int(found["port"] or _PORT) if found else 0
    if found is None or not 0 < port < 65_536:
        # not quoted: what lies between : and a wrong / or ? may be the half of a password
        message = (
            "--store: host and port cannot be read. Write host, host:6379 or [::1]:6379, "
            "with a port from 1 to 65535; more than one with redis+cluster://. " + _SPECIAL
        )
        raise InvalidArgument(message)
    return unquote(found["host"].strip("[]")), port


def _options(query: Mapping[str, str]) -> dict[str, object]:
    unknown = query.keys() - _OPTIONS.keys()
    if unknown:
        # a & in a password makes an option of its rest
        named = "what follows the &" if "password" in query else repr(min(unknown)[:40])
        message = f"--store: {named} is no option. Known: prefix, {', '.join(_OPTIONS)}"
        raise InvalidArgument(message)
    return {name: _OPTIONS[name](name, text) for name, text in query.items()}


def _text(_: str, text: str) -> str:
    return text


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text):
        message = f"--store: {name} {text[:40]!r} is no number. Write 0, or leave it out"
        raise InvalidArgument(message)
    return int(text)


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        message = f"--store: {name}={text[:40]!r}: write true or false"
        raise InvalidArgument(message)
    return _BOOLEANS[text.lower()]


def _path(name: str, text: str) -> str:
    if not Path(text).exists():
        message = f"--store: {name}: there is no {text[:200]!r}. Name a file that is there"
        raise InvalidArgument(message)
    return text


def _required(name: str, text: str) -> str:
    if text not in ("none", "optional", "required"):
        message = f"--store: {name}={text[:40]!r}: write none, optional or required"
        raise InvalidArgument(message)
    return text


# What may be set by a URL, and how its text is read.
_OPTIONS: Mapping[str, Callable[[str, str], object]] = {
    "db": _number,
    "username": _text,
    "password": _text,
    "ssl_ca_certs": _path,
    "ssl_ca_path": _path,
    "ssl_certfile": _path,
    "ssl_keyfile": _path,
    "ssl_password": _text,
    "ssl_cert_reqs": _required,
    "ssl_check_hostname": _boolean,
}
