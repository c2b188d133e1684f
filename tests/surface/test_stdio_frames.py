"""Cutting bytes into frames, frames into messages, and messages into bytes; nothing is run."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from pagefault.surface.transport.frames import ID_LIMIT, FrameScanner, Oversized
from pagefault.surface.transport.messages import Refusal, read_message, write_message

LIMIT = 64
HUGE = 2**30

ids = st.one_of(
    st.integers(),
    st.integers(10 ** (ID_LIMIT - 2), 10**ID_LIMIT),
    st.text(),
    st.text("aé", min_size=ID_LIMIT - 3, max_size=ID_LIMIT + 3),
)
scalars = st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), ids)
names = st.one_of(st.sampled_from(["id", "method", "params", 'i"d', "\\id"]), st.text(max_size=3))
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=8
)
layouts = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "separators": st.sampled_from([(",", ":"), (" , ", "\t:  ")]),
    }
)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


def frames(portions: list[bytes], limit: int = LIMIT) -> list[bytes | Oversized]:
    scanner = FrameScanner(limit)
    found = [frame for portion in portions for frame in scanner.feed(portion)]
    return found + scanner.finish()


def id_seen(line: bytes, cuts: tuple[int, ...] = ()) -> str | int | None:
    (frame,) = frames(split(line + b"\n", list(cuts)), limit=0)
    assert isinstance(frame, Oversized)
    return frame.request_id


def usable(value: object, written: str) -> bool:
    """Whether an answer may carry this id, which was written in these characters."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    return len(written.strip('"').encode()) <= ID_LIMIT


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
@example(b'{"id":1,' + b" " * LIMIT + b"}\n{}\n", [3, 70])
def test_any_split_of_the_bytes_gives_the_same_frames(data, cuts):
    assert frames(split(data, cuts)) == frames([data])


@given(
    st.text(' \t\r\\"{}[]:,0123456789-eidmethodparsl', max_size=300),
    st.lists(st.integers(0, 300), max_size=20),
)
def test_any_split_of_text_that_is_almost_json_gives_the_same_id(text, cuts):
    assert id_seen(b"{" + text.encode(), tuple(cuts)) == id_seen(b"{" + text.encode())


@given(st.dictionaries(names, values), layouts, st.lists(st.integers(0, 500), max_size=5))
def test_the_id_seen_in_an_oversized_frame_is_the_one_that_json_finds(message, layout, cuts):
    line = json.dumps(message, **layout)
    expected = json.loads(line).get("id")
    if not usable(expected, json.dumps(expected, **layout)):
        expected = None
    assert id_seen(line.encode(), tuple(cuts)) == expected


@given(ids, values, layouts)
def test_an_id_is_found_behind_params_that_have_ids_of_their_own(request_id, inner, layout):
    message = {"method": "m", "params": {"id": 1, "deep": [{"id": inner}]}, "id": request_id}
    line = json.dumps(message, **layout).encode()
    written = json.dumps(request_id, **layout)
    assert id_seen(line) == (request_id if usable(request_id, written) else None)


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b'{"id":1,"id":"two"}', "two"),
        (b'{"id":1,"id":null}', None),
        (b'{"id":1,"id":{"id":2}}', None),
        (b'{"\\u0069d":7}', 7),
        (b'{"id":"\\u0069"}', "i"),
        (b'{"id":"\\ud800"}', None),
        (b'{"id":"\xff"}', None),
        (b'{"id":' + b" " * 9999 + b"5" + b" " * 9999 + b"}", 5),
        (b'{"id":01}', None),
        (b'{"id":1.0}', None),
        (b'[{"id":1}]', None),
        (b'"id":1', None),
        (b'{"params":"{\\"id\\":1}"}', None),
        (b'{"params":["]}","\\\\"],"id":2}', 2),
        (b'{"id":3,"result":{}}', None),
        (b'{"error":{},"id":3}', None),
        (b'{"result":1,"id":3,"method":"m"}', 3),
        (b'{"p":{}}{"id":1}', None),
        (b'{"p":1},"id":1}', None),
    ],
)
def test_an_id_is_read_as_json_reads_it(line, request_id):
    assert id_seen(line) == request_id


@pytest.mark.parametrize("cut", range(32))
def test_an_id_is_read_across_a_cut_anywhere(cut):
    assert id_seen(b'{ "\\u0069d" : "a\\\\\\"\\u0062{\\n" }', (cut,)) == 'a\\"b{\n'


def test_an_id_of_256_bytes_is_seen_and_a_longer_one_is_not():
    assert id_seen(b'{"id":"' + b"x" * 256 + b'"}') == "x" * 256
    assert id_seen(b'{"id":"' + b"x" * 257 + b'"}') is None
    assert id_seen(b'{"id":' + b"9" * 256 + b"}") == int("9" * 256)
    assert id_seen(b'{"id":' + b"9" * 257 + b"}") is None


def test_a_frame_of_exactly_the_limit_is_kept_and_one_more_byte_is_not():
    assert frames([b"x" * LIMIT + b"\n"]) == [b"x" * LIMIT]
    assert frames([b"x" * (LIMIT + 1) + b"\n"]) == [Oversized(LIMIT + 1, None)]


def test_a_frame_past_the_limit_does_not_touch_the_next_one():
    assert frames([b"x" * 100 + b'\n{"id":1}\n']) == [Oversized(100, None), b'{"id":1}']


def test_blank_lines_are_no_frames():
    assert frames([b"\n\r\n \t \n{}\r\n\n"]) == [b"{}\r"]


def test_a_last_line_without_a_newline_is_a_frame():
    assert frames([b"{}\n[]"]) == [b"{}", b"[]"]


def test_an_oversized_frame_is_not_kept():
    scanner = FrameScanner(LIMIT)
    for _ in range(1000):
        scanner.feed(b"x" * 1000)
    held = [len(part) for part in vars(scanner).values() if isinstance(part, bytes | bytearray)]
    assert sum(held) <= LIMIT
    assert scanner.feed(b"\n") == [Oversized(1_000_000, None)]


UNREADABLE = {
    "no json": b"hello",
    "cut short": b'{"jsonrpc":"2.0","id":1,"method":"ping"',
    "deep nesting": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":' + b"[" * 100_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "a number of 5000 digits": b'{"jsonrpc":"2.0","id":' + b"1" * 5000 + b',"method":"ping"}',
    "a leading zero": b'{"jsonrpc":"2.0","id":01,"method":"ping"}',
    "a raw control character": b'{"jsonrpc":"2.0","id":"\x01","method":"ping"}',
    "invalid utf-8": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\xff"}}',
    "surrogates in utf-8": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\xed\xa0\x80"}}',
    "nan": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":NaN}}',
    "infinity": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":-Infinity}}',
    "a batch": b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    "a bare value": b"null",
    "two on a line": b'{"jsonrpc":"2.0","id":1,"method":"ping"} {}',
}


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"a\ud83db", "a\ufffdb"),
        (rb"\udc00\ud800", "\ufffd\ufffd"),
        (rb"\ud83d\ude00 \ud800", "\U0001f600 \ufffd"),
        (rb"\\ud800 \ud800", "\\ud800 \ufffd"),
    ],
)
def test_an_escaped_surrogate_without_its_partner_is_read_as_the_replacement_character(
    escaped, text
):
    frame = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"' + escaped + b'"}}'
    message = read_message(frame, HUGE)
    assert isinstance(message, JSONRPCRequest)
    assert message.params == {"a": text}


@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_not_one_json_object_is_a_parse_error_without_id(line):
    refusal = read_message(line, HUGE)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.request_id) == (PARSE_ERROR, None)
    assert "one JSON-RPC 2.0 object a line" in refusal.message


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 1),
        (b'{"id":"a","method":"ping"}', "a"),
        (b'{"jsonrpc":"2.0","id":2,"method":null}', 2),
        (b'{"jsonrpc":"2.0","id":3,"method":"m","params":[]}', 3),
        (b'{"jsonrpc":"2.0","id":4}', 4),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', None),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', None),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', None),
        (b"{}", None),
        (b'{"jsonrpc":"2.0","id":5,"result":[]}', None),
        (b'{"jsonrpc":"2.0","id":5,"error":{"code":"x"}}', None),
    ],
)
def test_an_object_that_is_no_message_is_an_invalid_request_under_its_id(line, request_id):
    refusal = read_message(line, HUGE)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.request_id) == (INVALID_REQUEST, request_id)


def test_each_kind_of_message_is_read_as_that_kind():
    head = b'{"jsonrpc":"2.0",'
    assert type(read_message(head + b'"id":1,"method":"m"}', HUGE)) is JSONRPCRequest
    assert type(read_message(head + b'"method":"m"}', HUGE)) is JSONRPCNotification
    assert type(read_message(head + b'"id":1,"result":{}}', HUGE)) is JSONRPCResponse
    error = b'"id":1,"error":{"code":1,"message":"x"}}'
    assert type(read_message(head + error, HUGE)) is JSONRPCError


def test_the_refusal_of_a_large_frame_names_both_sizes_and_the_next_step():
    refusal = read_message(Oversized(9_000_000, "big"), 8_388_608)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.request_id) == (INVALID_REQUEST, "big")
    assert "9000000" in refusal.message
    assert "8388608" in refusal.message
    assert "in parts" in refusal.message


anything = st.recursive(
    st.one_of(
        st.text(st.characters(codec=None)),
        st.sampled_from(["\ud800", "\udfff\ud800", "\ud83d\ude00", "\n\r\u2028"]),
        st.floats(),
        st.integers(),
        st.none(),
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), anything))
def test_every_result_leaves_as_one_line_of_strict_json(result):
    def never(constant: str) -> None:
        raise AssertionError(constant)

    line = write_message(JSONRPCResponse(jsonrpc="2.0", id=1, result=result))
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert json.loads(line.decode(), parse_constant=never)["id"] == 1


def written(result: dict[str, object]) -> object:
    line = write_message(JSONRPCResponse(jsonrpc="2.0", id=1, result=result))
    return json.loads(line)["result"]


def test_paired_surrogates_become_their_character_and_others_the_replacement_character():
    assert written({"a": ["\ud83d\ude00", "x\ud800y"]}) == {"a": ["\U0001f600", "x\ufffdy"]}


def test_numbers_that_are_not_finite_leave_as_null():
    assert written({"a": [math.nan, math.inf], "b": "\ud800"}) == {"a": [None, None], "b": "\ufffd"}
    assert written({"a": [math.nan, -math.inf, 1.5]}) == {"a": [None, None, 1.5]}


def test_a_healthy_result_leaves_unchanged_and_compact():
    line = write_message(JSONRPCResponse(jsonrpc="2.0", id="é", result={"a": [1, "é"], "b": None}))
    assert line.decode() == '{"jsonrpc":"2.0","id":"é","result":{"a":[1,"é"],"b":null}}\n'


def test_a_result_that_cannot_be_written_is_answered_with_an_error():
    line = write_message(JSONRPCResponse(jsonrpc="2.0", id=4, result={"a": object()}))
    answer = json.loads(line)
    assert (answer["id"], answer["error"]["code"]) == (4, INTERNAL_ERROR)


def test_a_notification_that_cannot_be_written_is_an_error_to_its_sender():
    message = JSONRPCNotification(jsonrpc="2.0", method="m", params={"a": object()})
    with pytest.raises(ValueError, match="cannot be written"):
        write_message(message)
