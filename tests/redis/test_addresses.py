"""Where a URL leads: servers, sockets, clusters; and what is refused, without a password."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from redis.client import Redis
from tests.redis.conftest import OpenRedis
from tests.redis.servers import Cluster, ServerFailed, Standalone, fresh_prefix
from tests.stores.making import Bench, open_workspace

from pagefault.base.errors import InvalidArgument, StoreUnavailable
from pagefault.stores.opening import Options, opener
from pagefault.stores.redis.address import read_address

SECRET = "geheim-91x"
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
AWKWARD = "p@ss:w/o?r#d %[é&=+,"


# --- what is read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://", {"host": "localhost", "port": 6379}),
        ("redis://there", {"host": "there", "port": 6379}),
        ("redis://there:7000/3", {"host": "there", "port": 7000, "db": 3}),
        ("redis://there?db=3", {"host": "there", "port": 6379, "db": 3}),
        ("redis://[::1]", {"host": "::1", "port": 6379}),
        ("redis://[fe80::1]:7000/1", {"host": "fe80::1", "port": 7000, "db": 1}),
        ("redis://:pw@there", {"host": "there", "port": 6379, "password": "pw"}),
        (
            "redis://user:p%40ss%3Aw@there",
            {"host": "there", "port": 6379, "username": "user", "password": "p@ss:w"},
        ),
        ("redis://there?password=a%26b", {"host": "there", "port": 6379, "password": "a&b"}),
        ("rediss://there", {"host": "there", "port": 6379, "ssl": True}),
        (
            "rediss://there?ssl_cert_reqs=none&ssl_check_hostname=false",
            {
                "host": "there",
                "port": 6379,
                "ssl": True,
                "ssl_cert_reqs": "none",
                "ssl_check_hostname": False,
            },
        ),
        ("unix:///run/redis.sock", {"unix_socket_path": "/run/redis.sock"}),
        ("unix:///a%20b?db=2", {"unix_socket_path": "/a b", "db": 2}),
        ("unix://user:pw@/s", {"unix_socket_path": "/s", "username": "user", "password": "pw"}),
    ],
)
def test_a_url_of_one_server_is_read(url: str, options: dict[str, Any]) -> None:
    address = read_address(url)
    assert (dict(address.options), address.nodes, address.cluster) == (options, (), False)


@pytest.mark.parametrize(
    ("url", "nodes", "options"),
    [
        ("redis+cluster://a", [("a", 6379)], {}),
        ("redis+cluster://a:1,b:2,[::1]:3", [("a", 1), ("b", 2), ("::1", 3)], {}),
        ("redis+cluster://a,[::1],", [("a", 6379), ("::1", 6379)], {}),
        (
            "redis+cluster://u:p%2C@a:1,b/0",
            [("a", 1), ("b", 6379)],
            {"username": "u", "password": "p,", "db": 0},
        ),
        (
            "rediss+cluster://a?ssl_cert_reqs=required",
            [("a", 6379)],
            {"ssl": True, "ssl_cert_reqs": "required"},
        ),
    ],
)
def test_a_url_of_a_cluster_is_read(
    url: str, nodes: list[tuple[str, int]], options: dict[str, Any]
) -> None:
    address = read_address(url)
    assert (list(address.nodes), dict(address.options), address.cluster) == (nodes, options, True)


def test_the_prefix_is_ours_and_not_the_servers() -> None:
    assert read_address("redis://there").prefix == "pf"
    address = read_address("redis://there?prefix=me.and:you_2-x")
    assert address.prefix == "me.and:you_2-x"
    assert "prefix" not in address.options


def test_the_files_of_another_server_or_prefix_are_others() -> None:
    urls = ["redis://a", "redis://b", "redis://a/1", "rediss://a", "redis://a?prefix=b"]
    digests = [read_address(url).digest for url in urls]
    assert len(set(digests)) == len(urls)
    assert digests == [read_address(url).digest for url in urls]
    assert read_address("redis://u:one@a").digest == read_address("redis://u:two@a").digest


@settings(max_examples=50)
@given(user=TEXT, password=TEXT, cluster=st.booleans())
def test_any_user_and_password_arrive_when_they_are_percent_encoded(
    user: str, password: str, cluster: bool
) -> None:
    kind = "redis+cluster" if cluster else "redis"
    address = read_address(f"{kind}://{quote(user, safe='')}:{quote(password, safe='')}@there:1")
    assert address.options.get("username", "") == user
    assert address.options.get("password", "") == password
    assert address.name == f"{kind}://there:1"


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://there?prefix=", "prefix ''"),
        ("redis://there?prefix={x}", "use 1 to 64 letters"),
        ("redis://there?prefix=" + "x" * 65, "use 1 to 64 letters"),
        ("redis://there?color=red", "'color' is no option. Known: prefix, db"),
        ("redis://there?socket_timeout=99", "is no option"),
        ("redis://there?decode_responses=true", "is no option"),
        ("redis+cluster://a?color=red", "is no option"),
        ("redis://there/home", "db 'home' is no number"),
        ("redis://there?db=-1", "is no number"),
        ("redis+cluster://a/1", "a cluster has only 0"),
        ("redis+cluster://a?db=1", "a cluster has only 0"),
        ("redis+cluster://", "names no node"),
        ("redis+cluster://,", "names no node"),
        ("redis://there:port", "host and port cannot be read"),
        ("redis://there:0", "from 1 to 65535"),
        ("redis://there:65536", "from 1 to 65535"),
        ("redis://a b", "host and port cannot be read"),
        ("redis://a,b", "redis+cluster://"),
        ("redis://[::1", "cannot be read"),
        ("unix://", "names no socket"),
        ("rediss://there?ssl_ca_certs=/not/there", "there is no '/not/there'"),
        ("rediss://there?ssl_cert_reqs=maybe", "none, optional or required"),
        ("rediss://there?ssl_check_hostname=maybe", "true or false"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_with_the_rule(url: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read_address(url)
    assert said in raised.value.message
    assert raised.value.message.startswith("--store")


@pytest.mark.parametrize("kind", ["redis", "rediss", "unix", "redis+cluster", "reddis"])
@pytest.mark.parametrize(
    "place", ["user:{}@there:x", ":{}/x@there", "{}@there/x", "there?x=1&password={}"]
)
def test_no_refusal_quotes_a_password(kind: str, place: str) -> None:
    for extra in ("", "/", "#", "?", "@", "[", "]", ":", "%", "&", "=", ",", " "):
        url = f"{kind}://{place.format(SECRET + extra + SECRET)}"
        assert SECRET not in said_of(url), url


def said_of(url: str) -> str:
    """All that is told of a URL, by its refusal or by its address."""
    try:
        opener(url, Options())
        address = read_address(url)
    except InvalidArgument as error:
        return f"{error} {error!r}"
    return f"{address!r} {address.name}"


# --- where it leads ----------------------------------------------------------------------------


async def works(open_redis: OpenRedis, url: str) -> None:
    """A page that is written there is read there."""
    bench = await Bench.at(open_redis(url))
    assert await bench.text(await bench.write("hello")) == "hello"


@pytest.mark.anyio
async def test_a_unix_socket_leads_to_the_same_store(
    redis_server: Standalone, open_redis: OpenRedis
) -> None:
    prefix = fresh_prefix()
    bench = await Bench.at(open_redis(redis_server.unix_url(prefix)))
    page = await bench.write("through the socket")
    other = await Bench.at(open_redis(redis_server.url(prefix)))
    assert await other.text(page) == "through the socket"


@pytest.mark.anyio
async def test_databases_are_stores_of_their_own(
    redis_server: Standalone, open_redis: OpenRedis
) -> None:
    base = f"redis://127.0.0.1:{redis_server.port}"
    for url in (f"{base}/1?prefix=t", f"{base}?db=2&prefix=t"):
        await works(open_redis, url)
    with redis_server.client() as client:
        assert not list(client.scan_iter("t:*"))
        for number in (1, 2):
            client.execute_command("SELECT", number)
            assert client.dbsize()


@pytest.mark.anyio
async def test_prefixes_are_stores_of_their_own_and_every_key_begins_with_its(
    redis_server: Standalone, open_redis: OpenRedis
) -> None:
    with redis_server.client() as client:
        client.flushall()
        for prefix in ("one", "one:two", "o-n.e_"):
            await works(open_redis, redis_server.url(prefix))
        starts = {key.decode().partition(":{")[0] for key in client.scan_iter()}
    assert starts - {f"{name}:principals" for name in ("one", "one:two", "o-n.e_")} == {
        "one",
        "one:two",
        "o-n.e_",
    }


@pytest.fixture
def with_users(redis_program: Path) -> Iterator[Standalone]:
    with Standalone(redis_program) as server:
        with server.client() as client:
            give_password(client)
        yield server


def give_password(client: Redis) -> None:
    for name in ("someone", "default"):
        client.execute_command(
            "ACL", "SETUSER", name, "on", "resetpass", f">{AWKWARD}", "~*", "+@all"
        )


@pytest.mark.anyio
@pytest.mark.parametrize("user", ["someone", "default", ""])
async def test_a_password_with_special_characters_opens(
    with_users: Standalone, open_redis: OpenRedis, user: str
) -> None:
    password = quote(AWKWARD, safe="")
    await works(open_redis, f"redis://{user}:{password}@127.0.0.1:{with_users.port}")
    await works(open_redis, f"unix://{user}:{password}@{with_users.socket}")
    await works(open_redis, f"unix://{with_users.socket}?username={user}&password={password}")


@pytest.mark.anyio
async def test_a_cluster_opens_with_user_and_password(
    redis_cluster: Cluster, open_redis: OpenRedis
) -> None:
    rules = ("reset", "on", f">{AWKWARD}", "~*", "+@all")
    try:
        for node in redis_cluster.nodes:
            with node.client() as client:
                client.execute_command("ACL", "SETUSER", "someone", *rules)
        nodes = f"127.0.0.1:{redis_cluster.nodes[2].port}"
        url = f"redis+cluster://someone:{quote(AWKWARD, safe='')}@{nodes}?prefix={fresh_prefix()}"
        store = open_redis(url)
        for number in range(4):
            await Bench.at(store, f"w{number}")
        with pytest.raises(StoreUnavailable, match="refuses this user or password"):
            await open_workspace(open_redis(url.replace("someone:", "someone:x")))
    finally:
        for node in redis_cluster.nodes:
            with node.client() as client:
                client.execute_command("ACL", "DELUSER", "someone")
        redis_cluster.flush()


@pytest.mark.anyio
async def test_a_server_at_an_ipv6_address_is_found(
    redis_program: Path, open_redis: OpenRedis
) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no ::1")
    with Standalone(redis_program, "--bind", "::1") as server:
        await works(open_redis, f"redis://[::1]:{server.port}")


@pytest.fixture(scope="module")
def with_tls(redis_program: Path) -> Iterator[Standalone]:
    try:
        server = Standalone(redis_program, tls=True)
    except ServerFailed as failed:
        if "tls" not in str(failed).lower():
            raise
        pytest.skip("this server has no TLS")
    with server:
        yield server


@pytest.mark.anyio
async def test_tls_opens_with_the_certificates_authority(
    with_tls: Standalone, open_redis: OpenRedis
) -> None:
    await works(open_redis, with_tls.tls_url("t"))
    await works(open_redis, with_tls.tls_url("t").replace("127.0.0.1", "localhost"))


@pytest.mark.anyio
@pytest.mark.parametrize("more", ["", "?ssl_cert_reqs=required"])
async def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(
    with_tls: Standalone, open_redis: OpenRedis, more: str
) -> None:
    store = open_redis(f"rediss://127.0.0.1:{with_tls.tls_port}{more}", timeout=20)
    with pytest.raises(StoreUnavailable, match=r"not trusted here.*ssl_ca_certs=") as raised:
        await open_workspace(store)
    assert str(with_tls.tls_port) in raised.value.message


@pytest.mark.anyio
async def test_who_asks_for_it_trusts_any_certificate(
    with_tls: Standalone, open_redis: OpenRedis
) -> None:
    plain = f"rediss://127.0.0.1:{with_tls.tls_port}"
    await works(open_redis, f"{plain}?ssl_cert_reqs=none&ssl_check_hostname=false")


@pytest.mark.anyio
async def test_tls_where_there_is_none_and_none_where_there_is_are_failures_in_time(
    with_tls: Standalone, open_redis: OpenRedis
) -> None:
    plain = f"redis://127.0.0.1:{with_tls.tls_port}"
    with pytest.raises(StoreUnavailable, match="TLS"):
        await open_workspace(open_redis(plain, timeout=0.3))
    secret = f"rediss://127.0.0.1:{with_tls.port}?ssl_cert_reqs=none&ssl_check_hostname=false"
    with anyio.fail_after(1), pytest.raises(StoreUnavailable):
        await open_workspace(open_redis(secret, timeout=0.3))


@pytest.mark.anyio
async def test_a_socket_that_nobody_listens_at_yet_is_no_wrong_url(
    redis_program: Path, open_redis: OpenRedis
) -> None:
    with Standalone(redis_program) as server:
        bench = await Bench.at(open_redis(server.unix_url("t")))
        server.kill()
        server.socket.unlink(missing_ok=True)
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await open_workspace(open_redis(server.unix_url("t"), timeout=0.2))
        server.start()
        await Bench.at(bench.store)
