"""Streamable HTTP over real sockets: who gets in, how much, how fast, and how it ends.

Run as a program it is a small server of its own, for what only a process can promise.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import httpx2
import mcp.types as types
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from starlette.requests import Request

from pagefault.surface.transport.http import serve_http
from pagefault.surface.transport.limits import Limits
from pagefault.surface.transport.listeners import (
    Address,
    RefusedBind,
    open_listeners,
    require_loopback,
    resolve,
)
from pagefault.surface.transport.principal import principal_of
from pagefault.surface.transport.tokens import TokenFileError, hash_token

pytestmark = pytest.mark.anyio

ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])
ALL_OF_127 = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has only 127.0.0.1")
SIGNALS = pytest.mark.skipif(os.name != "posix", reason="Windows has no signals to send")
NEWS = "memory://news"
QUICK = Limits(arrival_seconds=0.2, answer_seconds=0.2)
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


def tiny_server(lifespan=None) -> MCPServer:
    server = MCPServer("tiny", version="0", lifespan=lifespan, log_level="WARNING")

    @server.tool()
    async def whoami(ctx: Context) -> str:
        return principal_of(ctx)

    @server.tool()
    async def seals_for() -> str:
        return get_access_token().subject

    @server.tool()
    async def think(seconds: float) -> str:
        await moment(seconds)
        return "thought"

    @server.tool()
    async def letters(count: int) -> str:
        return "x" * count

    @server.tool()
    async def tell(ctx: Context) -> str:
        await ctx.notify_resource_updated(NEWS)
        await ctx.session.send_resource_updated(NEWS)
        return "told"

    @server.tool()
    async def stop_yourself(port: int) -> str:
        """Answers only after this process, told to stop during the call, no longer listens."""
        signal.raise_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            while True:
                async with await anyio.connect_tcp("127.0.0.1", port):
                    pass
        return "answered"

    return server


async def fine():
    return {"status": "ok"}


async def start(server=None, **options):
    """For starts that fail."""
    usual = {"host": "127.0.0.1", "port": 0, "token_file": None, "health": fine}
    with anyio.fail_after(5):
        await serve_http(server or tiny_server(), **(usual | options))


@contextlib.asynccontextmanager
async def serving(server=None, *, host="127.0.0.1", token_file=None, health=fine, **options):
    """The URL of a running server; a bind to every address is spoken to over loopback."""
    run = partial(serve_http, server or tiny_server(), host=host, port=0, token_file=token_file)
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(partial(run, health=health, **options))
        yield re.sub(r"//(0\.0\.0\.0|localhost)", "//127.0.0.1", url)
        tasks.cancel_scope.cancel()


def browser(**headers):
    return httpx2.AsyncClient(headers={**ACCEPT, **headers}, trust_env=False, timeout=10)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@contextlib.asynccontextmanager
async def connected(url, mode, headers=None, **options):
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=10) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **options) as client,
    ):
        yield client


async def said(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    return result.content[0].text


def port_of(url):
    return int(re.search(r":(\d+)", url)[1])


async def raw(url):
    return await anyio.connect_tcp("127.0.0.1", port_of(url))


async def everything(stream):
    """What arrives until the other side ends the connection, in whichever way."""
    got = bytearray()
    with anyio.fail_after(10):
        try:
            async for chunk in stream:
                got += chunk
        except anyio.BrokenResourceError:
            pass
    return bytes(got)


async def one_answer(stream, pause=None):
    """The next whole answer; ``pause`` is awaited after every three million bytes."""
    got = bytearray()
    while (head := got.partition(b"\r\n\r\n"))[1] == b"":
        got += await stream.receive()
    size = len(head[0]) + 4 + int(re.search(rb"content-length: (\d+)", head[0])[1])
    paused = 0
    while len(got) < size:
        got += await stream.receive()
        if pause and len(got) // 3_000_000 > paused:
            paused = len(got) // 3_000_000
            await pause()
    return bytes(got)


async def moment(seconds):
    with anyio.move_on_after(seconds):
        await anyio.Event().wait()


def post(body, *headers):
    lines = ["POST /mcp HTTP/1.1", "Host: 127.0.0.1", *headers]
    lines += [f"{name}: {value}" for name, value in ACCEPT.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


MANY = 12_000_000  # sent twice (text and structure): more than the sockets of both sides hold


def modern_call(tool, **arguments):
    version = "2026-07-28"
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    body = json.dumps({**LIST_TOOLS, "method": "tools/call", "params": params}).encode()
    return post(
        body,
        f"MCP-Protocol-Version: {version}",
        "Mcp-Method: tools/call",
        f"Mcp-Name: {tool}",
        f"Content-Length: {len(body)}",
    )


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "tokens"
    grant(path, ann=["ann-1", "ann-2"], bob=["bob-1"])
    return path


def grant(path, **tokens):
    lines = [f"{who} sha256:{hash_token(token)}" for who in tokens for token in tokens[who]]
    path.write_text("\n".join(lines), encoding="utf-8")
    path.chmod(0o600)


# Where it listens


@ERAS
async def test_loopback_serves_both_eras_without_tokens_as_local(mode):
    async with serving() as url, connected(url, mode) as client:
        assert await said(client, "whoami") == "local"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
async def test_a_bind_that_others_can_reach_is_refused_without_a_token_file(host):
    with pytest.raises(RefusedBind, match=f"{host!r}.*--token-file") as caught:
        await start(host=host)
    assert isinstance(caught.value, ValueError)


async def test_a_refused_bind_neither_listens_nor_enters_the_lifespan():
    @contextlib.asynccontextmanager
    async def never(_):
        raise AssertionError
        yield

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RefusedBind, match=f"port {port}: .*Choose another --port"):
            await start(tiny_server(never), port=port)
    with pytest.raises(RefusedBind):
        await start(tiny_server(never), host="0.0.0.0", port=port)
    with pytest.raises(OSError, match="connect"):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_an_unknown_host_name_is_refused():
    with pytest.raises(RefusedBind, match=r"'no\.such\.host\.invalid'"):
        await start(host="no.such.host.invalid")


async def test_a_bad_token_file_is_refused(tmp_path):
    with pytest.raises(TokenFileError, match="none"):
        await start(token_file=tmp_path / "none")


def test_a_name_with_one_address_that_others_can_reach_needs_tokens():
    here, there = (Address(socket.AF_INET, host, 80) for host in ("127.0.0.1", ELSEWHERE))
    require_loopback("both", [here])
    with pytest.raises(RefusedBind, match="'both'"):
        require_loopback("both", [here, there])


ELSEWHERE = "192.0.2.1"  # set aside for documentation: no machine has it


@ALL_OF_127
def test_the_addresses_of_one_name_share_a_free_port_and_those_not_of_this_machine_are_left_out():
    hosts = ("127.0.0.1", ELSEWHERE, "127.0.0.2")
    with open_listeners([Address(socket.AF_INET, host, 0) for host in hosts]) as listeners:
        places = [listener.getsockname() for listener in listeners]
    assert [host for host, _ in places] == ["127.0.0.1", "127.0.0.2"]
    assert len({port for _, port in places}) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_a_name_of_another_machine_is_refused(count):
    with (
        pytest.raises(RefusedBind, match=r"192\.0\.2\.1 port 1"),
        open_listeners([Address(socket.AF_INET, ELSEWHERE, 1)] * count),
    ):
        pass


async def test_localhost_is_loopback():
    async with serving(host="localhost") as url, connected(url, "auto") as client:
        assert await said(client, "whoami") == "local"


async def test_answers_are_sent_without_waiting_for_more():
    # asyncio sets TCP_NODELAY on sockets that name their protocol; without it a call takes 44 ms
    with open_listeners(await resolve("127.0.0.1", 0)) as (listener,):
        assert listener.proto == socket.IPPROTO_TCP


async def test_the_lifespan_runs_once_for_all_sessions_and_ends_when_serving_is_cancelled():
    log = []

    @contextlib.asynccontextmanager
    async def lifespan(_):
        log.append("begin")
        try:
            yield {}
        finally:
            log.append("end")

    async with serving(tiny_server(lifespan)) as url:
        for mode in ("legacy", "auto", "legacy"):
            async with connected(url, mode) as client:
                await said(client, "whoami")
        assert log == ["begin"]
    assert log == ["begin", "end"]
    with pytest.raises(OSError, match="connect"):
        await raw(url)


async def test_an_error_of_the_lifespan_reaches_the_caller_as_it_is():
    @contextlib.asynccontextmanager
    async def broken(_):
        message = "the store is damaged"
        raise LookupError(message)
        yield

    with pytest.raises(LookupError, match="the store is damaged"):
        await start(tiny_server(broken))


# Who gets in


@ERAS
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_token_names_its_principal_to_the_handlers(host, mode, token_file):
    async with serving(host=host, token_file=token_file) as url:
        for token, principal in (("ann-1", "ann"), ("ann-2", "ann"), ("bob-1", "bob")):
            async with connected(url, mode, bearer(token)) as client:
                assert await said(client, "whoami") == principal
                assert await said(client, "seals_for") == principal


ASKED = 'Bearer realm="pagefault"'
REJECTED = 'Bearer realm="pagefault", error="invalid_token"'
STRANGERS = [
    ([], ASKED),
    (["Bearer"], ASKED),
    (["Basic YW5uOmFubi0x"], ASKED),
    (["ann-1"], ASKED),
    (["Bearer ann-1 x"], ASKED),
    (["Bearer ann-1", "Bearer ann-1"], ASKED),
    (["Bearer intruder"], REJECTED),
    (["Bearer ann-1x"], REJECTED),
    (["Bearer " + hash_token("ann-1")], REJECTED),
]


async def test_without_a_known_token_the_answer_is_401_and_repeats_no_token(token_file):
    async with serving(token_file=token_file) as url, browser() as http:
        for given, challenge in STRANGERS:
            headers = [("Authorization", value) for value in given]
            answer = await http.post(url, json=INITIALIZE, headers=[*ACCEPT.items(), *headers])
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)
            assert answer.json()["error"]["message"].startswith("unauthorized: ")
            assert not any(value[7:] and value[7:] in answer.text for value in given)


@ERAS
async def test_a_client_shows_why_it_was_turned_away(token_file, mode):
    async with serving(token_file=token_file) as url:
        with pytest.raises((MCPError, ExceptionGroup)) as caught:
            async with connected(url, mode, bearer("wrong")):
                pass
    assert "unauthorized: " in "".join(leaves(caught.value))


def leaves(error):
    return (
        [text for part in error.exceptions for text in leaves(part)]
        if isinstance(error, ExceptionGroup)
        else [str(error)]
    )


async def test_a_session_is_unknown_to_every_other_principal_and_stays_with_its_owner(token_file):
    async with serving(token_file=token_file) as url, browser() as http:
        opened = await http.post(url, json=INITIALIZE, headers=bearer("ann-1"))
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        thief = {**session, **bearer("bob-1")}
        for attempt in (
            await http.post(url, json=LIST_TOOLS, headers=thief),
            await http.get(url, headers=thief),
            await http.delete(url, headers=thief),
            await http.post(
                url, json=LIST_TOOLS, headers={**bearer("bob-1"), "Mcp-Session-Id": "0"}
            ),
        ):
            assert attempt.status_code == 404
            assert attempt.json()["error"]["message"] == "Session not found"
        whoami = {**LIST_TOOLS, "method": "tools/call", "params": {"name": "whoami"}}
        owner = await http.post(url, json=whoami, headers={**session, **bearer("ann-2")})
        assert owner.status_code == 200
        assert '"text":"ann"' in owner.text


async def test_tokens_come_and_go_while_serving(token_file):
    async def status(token):
        return (await http.post(url, json=INITIALIZE, headers=bearer(token))).status_code

    async with serving(token_file=token_file) as url, browser() as http:
        assert [await status("ann-1"), await status("new")] == [200, 401]
        grant(token_file, eve=["new"])
        assert [await status("ann-1"), await status("new")] == [401, 200]


async def test_a_token_file_broken_while_serving_lets_nobody_in_and_says_so_in_the_log(
    token_file, caplog
):
    async with serving(token_file=token_file) as url, browser() as http:
        token_file.write_text("half", encoding="utf-8")
        answer = await http.post(url, json=INITIALIZE, headers=bearer("ann-1"))
    assert answer.status_code == 503
    assert answer.json()["error"]["message"].startswith("tokens_unavailable: ")
    assert str(token_file) not in answer.text
    assert f"line 1 of the token file {token_file}" in caplog.text


async def test_a_client_in_the_same_process_is_local():
    async with Client(tiny_server()) as client:
        assert await said(client, "whoami") == "local"


@pytest.mark.parametrize("request_", [Request({"type": "http"}), "something else"])
def test_a_request_that_no_check_has_seen_is_never_taken_for_local(request_):
    call = ServerRequestContext(
        session=None, lifespan_context=None, protocol_version="", method="", request=request_
    )
    with pytest.raises(RuntimeError, match="serve_http"):
        principal_of(Context(request_context=call))


# Host and Origin

OWN, STRANGE_HOST, STRANGE_ORIGIN = 200, 421, 403
NAMES = [
    ({}, OWN),
    ({"Host": "127.0.0.1"}, OWN),
    ({"Host": "127.0.0.1:{port}"}, OWN),
    ({"Host": "localhost:1"}, OWN),  # a tunnel or a container may change the port
    ({"Host": "LocalHost"}, OWN),
    ({"Host": "[::1]:{port}"}, OWN),
    ({"Host": "[0:0:0:0:0:0:0:1]"}, OWN),
    ({"Host": "memory.example.com"}, OWN),
    ({"Host": "MEMORY.example.com:443"}, OWN),
    ({"Host": "evil.com"}, STRANGE_HOST),
    ({"Host": "127.0.0.1.evil.com:{port}"}, STRANGE_HOST),
    ({"Host": "127.0.0.1:{port}.evil.com"}, STRANGE_HOST),
    ({"Host": "127.0.0.1:{port}@evil.com"}, STRANGE_HOST),
    ({"Host": "evil.com/127.0.0.1"}, STRANGE_HOST),
    ({"Host": "localhost:"}, STRANGE_HOST),
    ({"Host": "localhost:123456"}, STRANGE_HOST),
    ({"Host": "[::1"}, STRANGE_HOST),
    ({"Host": ""}, STRANGE_HOST),
    ({"Host": "xmemory.example.com"}, STRANGE_HOST),
    ({"Origin": "http://127.0.0.1:{port}"}, OWN),
    ({"Origin": "http://localhost:6274"}, OWN),
    ({"Origin": "https://memory.example.com"}, OWN),
    ({"Origin": "http://evil.com"}, STRANGE_ORIGIN),
    ({"Origin": "http://localhost.evil.com"}, STRANGE_ORIGIN),
    ({"Origin": "http://127.0.0.1:{port}.evil.com"}, STRANGE_ORIGIN),
    ({"Origin": "http://localhost@evil.com"}, STRANGE_ORIGIN),
    ({"Origin": "null"}, STRANGE_ORIGIN),
    ({"Origin": ""}, STRANGE_ORIGIN),
    ({"Origin": "file://localhost"}, STRANGE_ORIGIN),
    ({"Host": "evil.com", "Origin": "http://evil.com"}, STRANGE_HOST),
]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_only_the_servers_own_names_are_served_on_every_bind(host, token_file):
    got = []
    options = {"token_file": token_file, "allowed_hosts": ["memory.example.com"]}
    async with serving(host=host, **options) as url, browser(**bearer("ann-1")) as http:
        for headers, _ in NAMES:
            sent = {name: value.format(port=port_of(url)) for name, value in headers.items()}
            answer = await http.post(url, json=INITIALIZE, headers=sent)
            got.append((headers, answer.status_code))
    assert got == NAMES


async def test_a_strange_name_is_refused_before_the_token_is_looked_at(token_file):
    async with serving(token_file=token_file) as url, browser() as http:
        answer = await http.post(url, json=INITIALIZE, headers={"Host": "evil.com"})
    assert answer.status_code == STRANGE_HOST
    message = answer.json()["error"]["message"]
    assert message.startswith("host_not_allowed: ")
    assert "'evil.com'" in message
    assert "--allowed-host" in message


@ALL_OF_127
async def test_the_bind_address_is_one_of_the_names():
    async with serving(host="127.0.0.2") as url, browser() as http:
        assert (await http.post(url, json=INITIALIZE)).status_code == 200


@pytest.mark.parametrize("bad", ["*", "*.example.com", "https://example.com", "a/b", "", "a b"])
async def test_an_allowed_host_that_is_no_name_is_refused(bad):
    with pytest.raises(ValueError, match="--allowed-host"):
        await start(allowed_hosts=[bad])


# How much

ROOM = Limits(body_bytes=1000, header_bytes=4000)


def padded(size):
    return b'{"jsonrpc":"2.0","id":1,"method":"ping"' + b" " * (size - 40) + b"}"


@pytest.mark.parametrize(("size", "status"), [(1000, 400), (1001, 413), (300_000, 413)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413_whether_its_length_was_declared_or_not(
    size, status, chunked
):
    async def chunks():
        yield padded(size)[:500]
        yield padded(size)[500:]

    async with serving(limits=ROOM) as url, browser() as http:
        answer = await http.post(url, content=chunks() if chunked else padded(size))
        assert answer.status_code == status  # 400: whole, and then refused for want of a session
        assert (await http.post(url, json=INITIALIZE)).status_code == 200
    if status == 413:
        assert "1,000 bytes" in answer.json()["error"]["message"]


async def test_a_body_over_the_limit_is_refused_before_it_has_ended():
    async with serving(limits=ROOM) as url, await raw(url) as stream:
        await stream.send(post(b"258\r\n" + b" " * 600 + b"\r\n", "Transfer-Encoding: chunked"))
        await stream.send(b"258\r\n" + b" " * 600 + b"\r\n")
        assert status_of(await one_answer(stream)) == 413


async def test_a_call_whose_body_breaks_off_is_not_made():
    made = []
    server = tiny_server()

    @server.tool()
    async def make() -> None:
        made.append(1)

    whole = modern_call("make")
    length = int(re.search(rb"Content-Length: (\d+)", whole)[1])
    broken = whole.replace(b"Length: %d" % length, b"Length: %d" % (length + 1))
    async with serving(server) as url:
        for call in (broken, whole, broken):
            async with await raw(url) as stream:
                await stream.send(call)
                if call is whole:
                    assert status_of(await one_answer(stream)) == 200
    assert made == [1]


async def test_the_standard_limit_takes_a_body_of_8_mb_and_no_more():
    most = 8 * 1024 * 1024
    async with serving() as url, browser() as http:
        assert (await http.post(url, content=padded(most))).status_code == 400
        assert (await http.post(url, content=padded(most + 1))).status_code == 413


@pytest.mark.parametrize("size", [5_000, 60_000])
async def test_headers_over_the_limit_are_refused(size):
    async with serving(limits=ROOM) as url, browser() as http:
        answer = await http.post(url, json=INITIALIZE, headers={"X-Long": "x" * size})
        assert answer.status_code in {400, 431}
        query = await http.post(f"{url}?{'x' * 3_990}", json=INITIALIZE)
        assert query.status_code == 431
        assert query.json()["error"]["message"].startswith("headers_too_large: ")


async def test_headers_that_never_end_are_refused_before_they_fill_the_memory():
    async with serving(limits=ROOM) as url, await raw(url) as stream:
        await stream.send(b"GET /mcp HTTP/1.1\r\nX-Long: " + b"x" * 400_000)
        assert status_of(await everything(stream)) == 400


async def test_beyond_the_limit_of_connections_new_ones_are_turned_away_and_old_ones_served():
    async with (
        serving(limits=Limits(connections=3)) as url,
        browser() as http,
        await raw(url),
        await raw(url) as last,
    ):
        assert (await http.post(url, json=INITIALIZE)).status_code == 503
        async with await raw(url), await raw(url) as beyond:
            assert await everything(beyond) == b""
        await last.aclose()
        assert (await http.post(url, json=INITIALIZE)).status_code == 200


# How fast

HALF_SENT = {
    "nothing": b"",
    "half a request line": b"POST /m",
    "half of the headers": post(b"")[:-2],
    "half of the body": post(b'{"jsonrpc"', "Content-Length: 100"),
    "half of the chunks": post(b"5\r\nab", "Transfer-Encoding: chunked"),
    "half of a body that was refused": post(b"x", "Content-Length: 99999999"),
}


async def test_a_request_that_does_not_arrive_in_time_is_dropped(caplog):
    got = {}

    async def send_half(name):
        async with await raw(url) as stream:
            await stream.send(HALF_SENT[name])
            got[name] = await everything(stream)

    async with serving(limits=QUICK) as url, anyio.create_task_group() as clients:
        for name in HALF_SENT:
            clients.start_soon(send_half, name)
        # the end of this block waits for all of them
    assert status_of(got.pop("half of a body that was refused")) == 413
    assert set(got.values()) == {b""}
    assert loud(caplog, logging.INFO) == []


def loud(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno > level]


@pytest.mark.parametrize("head", ["", "Content-Length: 9999\r\n\r\n"])
async def test_bytes_that_trickle_in_do_not_extend_the_time(head):
    async with serving(limits=QUICK) as url, await raw(url) as stream:
        await stream.send(f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}".encode())
        with (
            anyio.fail_after(10),
            contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError),
        ):
            while True:
                await stream.send(b"x")
                with anyio.move_on_after(0.02):
                    await stream.receive()


async def test_the_second_request_of_a_connection_has_its_own_time():
    first = post(b"", "Content-Length: 0")
    async with serving(limits=QUICK) as url, await raw(url) as stream:
        await stream.send(first + first[:-5])  # pipelined
        answer = await everything(stream)
    assert answer.count(b"HTTP/1.1 400") == 1


async def test_a_connection_may_wait_between_requests_and_for_its_answer_as_long_as_it_likes():
    async with serving(limits=QUICK) as url, await raw(url) as stream:
        for call in (
            modern_call("whoami"),
            modern_call("letters", count=MANY),
            modern_call("think", seconds=0.5),
        ):
            await stream.send(call)
            assert status_of(await one_answer(stream)) == 200
            await moment(0.5)
        await stream.send(modern_call("whoami"))
        assert status_of(await one_answer(stream)) == 200


async def test_of_300_half_sent_requests_all_are_dropped_and_others_are_answered_meanwhile():
    async with (
        serving(limits=Limits(arrival_seconds=2)) as url,
        contextlib.AsyncExitStack() as held,
        connected(url, "auto") as client,
    ):
        slow = [await held.enter_async_context(await raw(url)) for _ in range(300)]
        for stream in slow:
            await stream.send(HALF_SENT["half of the headers"])
        with anyio.fail_after(1.5):
            assert await said(client, "whoami") == "local"
        assert [await everything(stream) for stream in slow] == [b""] * 300
        assert await said(client, "whoami") == "local"


@contextlib.contextmanager
def told_of_drops():
    """An event that is set when a slow client is dropped; its log line is the only trace."""
    dropped = anyio.Event()
    handler = logging.Handler()
    handler.emit = lambda _: dropped.set()
    log = logging.getLogger("pagefault.surface.transport.slow")
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield dropped
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


async def test_a_client_that_does_not_take_its_answer_is_dropped():
    with told_of_drops() as dropped:
        async with serving(limits=QUICK) as url, await raw(url) as stream:
            await stream.send(modern_call("letters", count=MANY))
            with anyio.fail_after(10):
                await dropped.wait()
            assert len(await everything(stream)) < MANY


async def test_a_client_that_takes_its_answer_slowly_gets_all_of_it():
    async with serving(limits=Limits(answer_seconds=0.7)) as url, await raw(url) as stream:
        await stream.send(modern_call("letters", count=MANY))
        answer = await one_answer(stream, pause=partial(moment, 0.2))
    assert status_of(answer) == 200


async def test_a_connection_is_used_again_and_closed_when_it_idles():
    request = post(b"", "Content-Length: 0")
    async with serving(limits=Limits(idle_seconds=1)) as url, await raw(url) as stream:
        for _ in range(2):
            await stream.send(request)
            assert status_of(await one_answer(stream)) == 400
        assert await everything(stream) == b""


async def test_clients_that_leave_in_the_middle_are_forgotten_in_silence(caplog):
    async with serving() as url:
        for sent in (*HALF_SENT.values(), modern_call("letters", count=MANY)):
            async with await raw(url) as stream:
                await stream.send(sent)
        async with connected(url, "auto") as client:
            assert await said(client, "whoami") == "local"
    assert loud(caplog, logging.INFO) == []


async def test_garbage_gets_400_or_nothing_and_harms_nobody(caplog):
    bad_chunk = post(b"zz\r\n", "Transfer-Encoding: chunked")
    http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    two_hosts = post(b"", "Host: localhost")
    late = post(b"", "Transfer-Encoding: chunked").replace(b"127.0.0.1", b"evil.com")
    async with serving() as url:
        for sent in (b"\r", b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", two_hosts, bad_chunk, http2):
            async with await raw(url) as stream:
                await stream.send(sent)
                assert status_of(await everything(stream)) in {400, STRANGE_HOST}
        async with await raw(url) as stream:
            await stream.send(late)
            assert status_of(await stream.receive()) == STRANGE_HOST
            await stream.send(b"zz\r\n")  # after the answer there is nothing left to say
            await everything(stream)
        async with connected(url, "auto") as client:
            assert await said(client, "whoami") == "local"
    assert loud(caplog, logging.WARNING) == []


# Health


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_health_is_open_without_token_and_under_any_name(method, token_file):
    async with serving(token_file=token_file) as url, browser() as http:
        answer = await http.request(
            method, url.replace("/mcp", "/health"), headers={"Host": "10.0.0.7:8080"}
        )
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert method == "HEAD" or answer.json() == {"status": "ok"}


async def raises():
    message = "password of the store"
    raise OSError(message)


async def not_ok():
    return {"status": "degraded", "pages": 3}


async def not_json():
    return {"status": object()}


@pytest.mark.parametrize(
    ("health", "body"),
    [
        (raises, {"status": "error"}),
        (not_ok, {"status": "degraded", "pages": 3}),
        (not_json, {"status": "error"}),
        (anyio.sleep_forever, {"status": "error"}),
    ],
)
async def test_health_is_503_when_the_check_fails_or_hangs_and_tells_no_more(health, body):
    async with (
        serving(health=health, limits=Limits(health_seconds=0.1)) as url,
        browser() as http,
    ):
        answer = await http.get(url.replace("/mcp", "/health"))
    assert (answer.status_code, answer.json()) == (503, body)


async def test_however_many_ask_for_health_the_check_is_made_once():
    asked = []

    async def counted():
        asked.append(None)
        return {"status": "ok"}

    limits = Limits(health_kept_seconds=3_600)
    async with serving(health=counted, limits=limits) as url, browser() as http:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(http.get, url.replace("/mcp", "/health"))
        assert (await http.get(url.replace("/mcp", "/health"))).json() == {"status": "ok"}
    assert len(asked) == 1


async def test_health_is_asked_anew_when_the_answer_is_old():
    said = [{"status": "ok"}, {"status": "error", "reason": "store_unavailable"}]

    async def changing():
        return said.pop(0)

    limits = Limits(health_kept_seconds=0)
    async with serving(health=changing, limits=limits) as url, browser() as http:
        answers = [await http.get(url.replace("/mcp", "/health")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 503]
    assert answers[1].json() == {"status": "error", "reason": "store_unavailable"}


async def test_health_is_only_read():
    async with serving() as url, browser() as http:
        answer = await http.post(url.replace("/mcp", "/health"))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_other_paths_are_guarded_and_unknown(token_file):
    async with serving(token_file=token_file) as url, browser() as http:
        other = url.replace("/mcp", "/health/../secret")
        assert (await http.get(other)).status_code == 401
        assert (await http.get(other, headers=bearer("ann-1"))).status_code == 404


# News


async def test_a_client_of_2025_gets_news_on_its_session():
    heard = anyio.Event()
    told = []

    async def note(message):
        if isinstance(message, types.ResourceUpdatedNotification):
            told.append(str(message.params.uri))
            heard.set()

    async with serving() as url, connected(url, "legacy", message_handler=note) as client:
        with anyio.fail_after(10):
            while not heard.is_set():  # the stream for news opens beside the first calls
                await said(client, "tell")
    assert set(told) == {NEWS}


async def test_a_client_of_2026_gets_news_on_its_subscription():
    async with (
        serving() as url,
        connected(url, "auto") as client,
        client.listen(resource_subscriptions=[NEWS]) as news,
    ):
        await said(client, "tell")
        with anyio.fail_after(10):
            event = await anext(aiter(news))
    assert event.uri == NEWS


# How it ends


@contextlib.asynccontextmanager
async def child(*arguments):
    """This file as a server process: (its URL, itself); what it printed is left to read."""
    path = Path(__file__)
    command = [sys.executable, "-W", "error", str(path), *arguments]
    server = str(path.parents[2] / "server")
    environment = {**os.environ, "PYTHONPATH": server}
    async with await anyio.open_process(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        line = b""
        with anyio.fail_after(30):
            while not line.endswith(b"\n"):
                line += await process.stderr.receive(1)
        yield line.decode().strip(), process


async def ended(process):
    """(exit code, stdout, rest of stderr)."""
    with anyio.fail_after(5):
        out, err = await everything(process.stdout), await everything(process.stderr)
        return await process.wait(), out, err.decode()


@SIGNALS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_open_streams_and_the_lifespan_and_exits_with_0(number):
    async with (
        child() as (url, process),
        connected(url, "legacy") as old,
        connected(url, "auto") as new,
        browser() as http,
    ):
        await said(old, "whoami")
        opened = await http.post(url, json=INITIALIZE)
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        async with (
            http.stream("GET", url, headers=session) as news,
            new.listen(resource_subscriptions=[NEWS]),
        ):
            assert news.status_code == 200
            process.send_signal(number)
            with anyio.fail_after(5):
                await news.aread()  # ends as a whole answer, not as a broken one
            code, out, err = await ended(process)
    assert (code, out) == (0, b"")
    assert err.splitlines() == ["lifespan ended"]


@SIGNALS
@ERAS
async def test_a_call_under_way_is_answered_before_the_process_ends(mode):
    async with child() as (url, process):
        async with connected(url, mode) as client:
            await client.list_tools()  # the client checks answers against it, and asks for it late
            assert await said(client, "stop_yourself", port=port_of(url)) == "answered"
        assert (await ended(process))[0] == 0


@SIGNALS
async def test_a_client_that_holds_its_connection_does_not_hold_up_the_end():
    async with child() as (url, process), await raw(url) as idle, await raw(url) as half:
        await idle.send(post(b"", "Content-Length: 0"))
        await idle.receive()
        await half.send(HALF_SENT["half of the body"])
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == (0, b"", "lifespan ended\n")


def main():
    @contextlib.asynccontextmanager
    async def lifespan(_):
        yield {}
        sys.stderr.write("lifespan ended\n")

    class Announce:
        def started(self, url):
            sys.stderr.write(f"{url}\n")
            sys.stderr.flush()

    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    run = partial(serve_http, tiny_server(lifespan), host="127.0.0.1", port=port)
    anyio.run(partial(run, token_file=None, health=fine, task_status=Announce()))


if __name__ == "__main__":
    main()
