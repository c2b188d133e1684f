"""The stdio transport as a client meets it: a child process and its pipes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pagefault.base import portable

SERVER = Path(__file__).with_name("tiny_server.py")
PACKAGE = Path(portable.__file__).parents[2]
INVALID_REQUEST, PARSE_ERROR = -32600, -32700

ENDS_WITHIN = 1.0  # seconds: what the server promises
SLACK = 1.5  # seconds: what a busy machine may add, and the end of the interpreter

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and ready pipes are POSIX")

MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PACKAGE), **more}


def message(method: str, request_id: object = None, **params: Any) -> bytes:
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if request_id is not None:
        body["id"] = request_id
    return json.dumps(body).encode() + b"\n"


def call(tool: str, request_id: object, **arguments: Any) -> bytes:
    return message("tools/call", request_id, name=tool, arguments=arguments)


HANDSHAKE = message("initialize", 0, **INITIALIZE) + message("notifications/initialized")


def _hear_interrupts() -> None:
    """A test run in the background of a shell ignores SIGINT, and its children would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Child:
    """The tiny server, killed after a while should it hang."""

    def __init__(self, *, stdin: Any = subprocess.PIPE, blocking: bool = True, **env: str) -> None:
        """`blocking`: how the server finds its end of stdout."""
        read, write = os.pipe()
        os.set_blocking(write, blocking)
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER)],
            stdin=stdin,
            stdout=write,
            stderr=subprocess.PIPE,
            env=environment(**env),
            bufsize=0,
            preexec_fn=_hear_interrupts if os.name == "posix" else None,
        )
        os.close(write)
        self.lines = os.fdopen(read, "rb")
        self._killer = threading.Timer(300, self.process.kill)

    def __enter__(self) -> Child:
        self._killer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._killer.cancel()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stderr, self.lines):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def send(self, data: bytes) -> None:
        while data:
            data = data[self.process.stdin.write(data) :]

    def answer(self) -> dict[str, Any]:
        """The next line; every line must be a message."""
        line = self.lines.readline()
        assert line, "the server ended"
        return json.loads(line)

    def ask(self, data: bytes) -> dict[str, Any]:
        self.send(data)
        return self.answer()

    def handshake(self) -> None:
        assert self.ask(HANDSHAKE)["id"] == 0

    def hang_up(self) -> None:
        self.process.stdin.close()

    def seconds_to_end(self) -> float:
        """From now; the exit code must be 0."""
        start = time.monotonic()
        assert self.process.wait(30) == 0
        return time.monotonic() - start


@pytest.fixture
def child():
    """A server of one's own, to be ended."""
    with Child() as started:
        started.handshake()
        yield started


@pytest.fixture(scope="module")
def shared():
    """One server for the tests that leave it as it was: a start takes most of a second."""
    with Child() as started:
        started.handshake()
        yield started


def text(answer: dict[str, Any]) -> str:
    return answer["result"]["content"][0]["text"]


def code(answer: dict[str, Any]) -> tuple[object, int]:
    return answer["id"], answer["error"]["code"]


# What comes in


def test_a_written_page_is_read_back(shared):
    shared.ask(call("write_page", 1, session="s", key="k", content="кот 猫"))
    assert text(shared.ask(call("read_page", 2, session="s", key="k"))) == "кот 猫"


def test_every_unreadable_line_is_answered_and_the_next_call_works(shared):
    lines = [b"hello", b"[" * 100_000, b'{"a":01}', b'{"a":"\xff"}', b"[]"]
    shared.send(b"\n".join(lines) + b"\n" + call("read_page", 7, session="s", key="k"))
    assert [code(shared.answer()) for _ in lines] == [(None, PARSE_ERROR)] * len(lines)
    assert shared.answer()["id"] == 7


def test_a_request_whose_id_is_no_id_is_refused_and_not_taken_for_a_notification(shared):
    refused = shared.ask(b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}\n')
    assert code(refused) == (None, INVALID_REQUEST)


def test_blank_lines_are_not_answered(shared):
    assert shared.ask(b"\n\r\n  \n" + message("ping", 1))["id"] == 1


def test_many_requests_at_once_get_one_answer_each(shared):
    shared.send(b"".join(message("ping", number) for number in range(1, 501)))
    assert sorted(shared.answer()["id"] for _ in range(500)) == list(range(1, 501))


def test_a_frame_past_the_limit_is_answered_with_the_id_behind_its_params():
    with Child(TINY_FRAME_LIMIT="10000") as child:
        child.handshake()
        long = {"params": {"id": 1, "content": "x" * 20_000}, "jsonrpc": "2.0", "method": "m"}
        refused = child.ask(json.dumps({**long, "id": "last"}).encode() + b"\n")
        assert code(refused) == ("last", INVALID_REQUEST)
        assert "10000" in refused["error"]["message"]
        assert code(child.ask(json.dumps(long).encode() + b"\n")) == (None, INVALID_REQUEST)
        assert child.ask(message("ping", 2))["id"] == 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_a_line_of_100_megabytes_is_refused_in_bounded_memory(child):
    child.send(b'{"jsonrpc":"2.0","id":"big","method":"m","params":{"content":"')
    for _ in range(100):
        child.send(b"x" * 2**20)
    assert code(child.ask(b'"}}\n')) == ("big", INVALID_REQUEST)
    status = Path(f"/proc/{child.process.pid}/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    assert peak < 250 * 1024


def test_a_file_as_stdin_is_served_to_its_end(tmp_path):
    requests = tmp_path / "requests"
    requests.write_bytes(HANDSHAKE + call("read_page", 1, session="s", key="k"))
    with requests.open("rb") as stdin, Child(stdin=stdin) as child:
        assert [child.answer()["id"], child.answer()["id"]] == [0, 1]
        child.seconds_to_end()


@posix
@pytest.mark.parametrize("threads", ["", "1"])
def test_pipes_that_somebody_made_non_blocking_serve_as_well(threads):
    content = "x" * 3_000_000
    read, write = os.pipe()
    os.set_blocking(read, False)
    with Child(stdin=read, blocking=False, TINY_THREADS=threads) as child:
        child.process.stdin = os.fdopen(write, "wb", buffering=0)
        os.close(read)
        child.handshake()
        child.ask(call("write_page", 1, session="s", key="k", content=content))
        assert text(child.ask(call("read_page", 2, session="s", key="k"))) == content
        child.hang_up()
        child.seconds_to_end()


def test_threads_alone_serve_as_well_where_pipes_cannot_be_watched():
    content = "x" * 3_000_000
    with Child(TINY_THREADS="1") as child:
        child.handshake()
        child.send(b"".join(message("ping", number) for number in range(1, 501)))
        assert sorted(child.answer()["id"] for _ in range(500)) == list(range(1, 501))
        child.ask(call("write_page", 1, session="s", key="k", content=content))
        child.send(call("read_page", 2, session="s", key="k") * 3)
        child.hang_up()
        assert [text(json.loads(line)) == content for line in child.lines] == [True] * 3
        child.seconds_to_end()


# Which era


def discover(request_id: int, version: str = "2026-07-28") -> bytes:
    meta = {**MODERN, "io.modelcontextprotocol/protocolVersion": version}
    return message("server/discover", request_id, _meta=meta)


@pytest.mark.parametrize("times", [1, 2])
def test_a_client_that_discovers_first_may_still_initialize(times):
    with Child() as child:
        for number in range(times):
            found = child.ask(discover(number + 1))["result"]
            assert "2026-07-28" in found["supportedVersions"]
        child.handshake()
        assert text(child.ask(call("read_page", 9, session="s", key="k"))) == "nothing"


def test_a_client_that_discovers_first_may_stay_modern():
    with Child() as child:
        child.ask(discover(1))
        asked = {"name": "read_page", "arguments": {"session": "s", "key": "k"}, "_meta": MODERN}
        assert text(child.ask(message("tools/call", 2, **asked))) == "nothing"


def test_discovery_and_the_handshake_may_come_in_one_write():
    with Child() as child:
        child.send(discover(5) + HANDSHAKE + message("ping", 6))
        assert [child.answer()["id"] for _ in range(3)] == [5, 0, 6]


def test_a_discovery_of_an_unknown_version_is_answered_by_the_sdk():
    with Child() as child:
        answer = child.ask(discover(1, version="1999-01-01"))
        assert answer["id"] == 1
        assert "2026-07-28" in answer["error"]["data"]["supported"]


def test_what_precedes_a_discovery_neither_decides_nor_stops_anything():
    with Child() as child:
        early = message("notifications/cancelled", requestId=99) * 20
        assert child.ask(early + discover(1))["id"] == 1
        child.handshake()


# What goes out


def test_surrogates_and_non_finite_numbers_do_not_leave(shared):
    result = shared.ask(call("broken_text", 1))["result"]
    assert result["structuredContent"] == {"text": "a\ufffdb\U0001f600", "numbers": [None, None]}
    assert result["content"][0]["text"] == "a\ufffdb\U0001f600"
    assert shared.ask(message("ping", 2))["id"] == 2


def test_what_is_printed_goes_to_stderr_and_never_to_the_wire():
    with Child(TINY_GREETING="printed before serving", PYTHONUNBUFFERED="") as child:
        child.handshake()
        assert text(child.ask(call("shout", 1))) == "done"
        child.hang_up()
        assert child.lines.read() == b""
        printed = child.process.stderr.read().decode().split("\n")
        assert {"a print", "bytes", "a child", "printed before serving"} <= set(printed)


def test_a_child_process_of_the_server_finds_its_stdin_empty(shared):
    shared.send(call("child_reads", 1) + message("ping", 2))
    answers = {answer["id"]: answer for answer in (shared.answer(), shared.answer())}
    assert text(answers[1]) == "[]"


def test_a_reply_larger_than_a_pipe_arrives_whole(shared):
    content = "x" * 3_000_000
    shared.ask(call("write_page", 1, session="s", key="k", content=content))
    shared.send(call("read_page", 2, session="s", key="k") + message("ping", 3))
    answers = {answer["id"]: answer for answer in (shared.answer(), shared.answer())}
    assert text(answers[2]) == content


def test_progress_arrives_before_the_answer(shared):
    asked = {"name": "report", "arguments": {"times": 3}, "_meta": {"progressToken": "t"}}
    shared.send(message("tools/call", 1, **asked))
    seen = [shared.answer() for _ in range(4)]
    assert [each["params"]["progress"] for each in seen[:3]] == [0, 1, 2]
    assert seen[3]["id"] == 1


def flood(child: Child, count: int) -> int:
    """Ask without reading, as often as the server takes it, at most `count` times."""
    stdin = child.process.stdin.fileno()
    os.set_blocking(stdin, False)
    request = call("read_page", 1, session="s", key="k")
    for sent in range(count):
        rest = request
        while rest:
            if not select.select([], [stdin], [], 2)[1]:
                return sent
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(stdin, rest) :]
    return count


@posix
def test_a_client_that_does_not_read_is_not_read_from_either_and_the_server_still_ends(child):
    child.ask(call("write_page", 1, session="s", key="k", content="x" * 100_000))
    assert flood(child, 5_000) < 5_000
    child.process.send_signal(signal.SIGTERM)
    assert child.seconds_to_end() < ENDS_WITHIN + SLACK


@posix
def test_what_waited_for_the_reader_arrives_in_full_once_it_reads(shared):
    shared.ask(call("write_page", 1, session="s", key="k", content="x" * 100_000))
    sent = 100
    writer = threading.Thread(
        target=shared.send,
        args=[b"".join(call("read_page", n, session="s", key="k") for n in range(sent))],
    )
    writer.start()
    assert sorted(shared.answer()["id"] for _ in range(sent)) == list(range(sent))
    writer.join()


@posix
def test_a_client_that_does_not_read_stderr_delays_no_call(child):
    for number in range(1, 6):
        assert text(child.ask(call("complain", number, characters=50_000))) == "complained"


# How it ends


def test_the_process_ends_with_stdin_and_leaves_its_lifespan(tmp_path):
    diary = tmp_path / "diary"
    with Child(TINY_DIARY=str(diary)) as child:
        child.handshake()
        child.hang_up()
        assert child.seconds_to_end() < ENDS_WITHIN + SLACK
    assert diary.read_text(encoding="utf-8").split() == ["entered", "left"]


def test_the_process_ends_when_stdin_closes_before_any_message():
    with Child() as child:
        child.hang_up()
        child.seconds_to_end()


def test_calls_in_flight_when_stdin_closes_are_answered_if_they_finish_soon(child):
    child.send(call("wait_for", 1, seconds=0.1) + call("wait_for", 2, seconds=30))
    child.hang_up()
    answers = {answer["id"]: answer for answer in map(json.loads, child.lines)}
    assert text(answers[1]) == "waited"
    assert "error" in answers[2]
    assert sorted(answers) == [1, 2]


@pytest.mark.parametrize("ending", ["stdin", "signal"])
def test_a_call_that_cannot_be_cut_off_does_not_hold_the_process(tmp_path, ending):
    diary = tmp_path / "diary"
    with Child(TINY_DIARY=str(diary)) as child:
        child.handshake()
        child.ask(call("hang", 1) + message("ping", 2))
        if ending == "signal":
            child.process.terminate()
        else:
            child.hang_up()
        assert child.seconds_to_end() < ENDS_WITHIN + SLACK
    assert diary.read_text(encoding="utf-8").split() == ["entered", "hanging", "left"]


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_the_process_in_order(tmp_path, number):
    diary = tmp_path / "diary"
    with Child(TINY_DIARY=str(diary)) as child:
        child.handshake()
        child.process.send_signal(number)
        assert child.seconds_to_end() < ENDS_WITHIN + SLACK
        assert b"Traceback" not in child.process.stderr.read()
    assert diary.read_text(encoding="utf-8").split() == ["entered", "left"]


@posix
def test_a_call_that_keeps_the_event_loop_does_not_keep_the_process_from_a_signal(tmp_path):
    diary = tmp_path / "diary"
    with Child(TINY_DIARY=str(diary)) as child:
        child.handshake()
        child.send(call("spin", 1))
        while "spinning" not in diary.read_text(encoding="utf-8"):
            os.sched_yield()
        child.process.terminate()
        assert child.seconds_to_end() < ENDS_WITHIN + SLACK


def test_a_failure_within_the_sdk_is_raised_after_the_lifespan_was_left_in_order(tmp_path):
    diary = tmp_path / "diary"
    with Child(TINY_DIARY=str(diary), TINY_BROKEN="1") as child:
        child.send(HANDSHAKE)
        assert child.process.wait(30) == 1
        assert b"a defect of the SDK" in child.process.stderr.read()
    assert diary.read_text(encoding="utf-8").split() == ["entered", "left"]


@posix
@pytest.mark.parametrize("threads", ["", "1"])
def test_the_process_ends_when_nobody_can_read_stdout(threads):
    with Child(TINY_THREADS=threads) as child:
        child.handshake()
        child.lines.close()
        child.send(message("ping", 1))
        assert child.seconds_to_end() < ENDS_WITHIN + SLACK


@posix
def test_the_process_ends_with_its_parent_though_stdin_stays_open(tmp_path):
    """The parent is a shell in between; this test holds the other ends of both pipes."""
    diary = tmp_path / "diary"
    start = f"exec 3<&0; '{sys.executable}' '{SERVER}' <&3 & exec 3<&-; read -r _ < '{tmp_path}/go'"
    os.mkfifo(tmp_path / "go")
    with subprocess.Popen(
        ["/bin/sh", "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(TINY_DIARY=str(diary)),
        bufsize=0,
    ) as shell:
        shell.stdin.write(HANDSHAKE)
        assert json.loads(shell.stdout.readline())["id"] == 0
        (tmp_path / "go").write_bytes(b"\n")
        shell.wait(30)
        start = time.monotonic()
        assert select.select([shell.stdout], [], [], 30)[0]
        assert shell.stdout.read() == b""  # closed by the last process that had it
        assert time.monotonic() - start < ENDS_WITHIN + SLACK
    assert diary.read_text(encoding="utf-8").split() == ["entered", "left"]


# What is logged


def test_an_unforeseen_error_is_logged_in_plain_lines(child):
    assert child.ask(call("fail", 1))["result"]["isError"]
    child.hang_up()
    logged = child.process.stderr.read().decode()
    assert "RuntimeError: unforeseen" in logged
    assert "╭" not in logged  # the frame that rich draws


def test_the_sdk_finds_the_plain_handler_and_adds_none():
    code = (
        "import logging; from pagefault.surface.logs import quiet_logging;"
        "quiet_logging('warning'); from mcp.server.mcpserver import MCPServer; MCPServer('x');"
        "root = logging.getLogger(); print([type(h).__module__ for h in root.handlers], root.level)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["['pagefault.surface.logs']", "30"]
