"""Images and recordings are taken out of what a client sends, and put back as they were."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.images import anthropic_part, data_url, exif, jpeg, openai_part, part, png

from pagefault.base.event import canonical, page_of, read_event
from pagefault.base.media import Media, data_urls, fill, read_media

ONE, TWO = png(4, 3, 1), png(5, 2, 2)
SOUND = b"RIFF\0\0\0\0WAVE"
TEXT = {"type": "text", "text": "see these"}


def read(value: Any) -> Media | None:
    return read_media(value, canonical(value))


def found(value: Any) -> Media:
    media = read(value)
    assert media is not None
    return media


def filled(media: Media) -> Any:
    return fill(media.frame, lambda number: media.blobs[number].base64)


VALUES = [
    data_url(ONE),
    part(ONE),
    [TEXT, part(ONE, alt="a cat")],
    [TEXT, openai_part(ONE), anthropic_part(TWO)],
    [{"type": "input_image", "image_url": data_url(ONE)}],
    [{"type": "tool_result", "tool_use_id": "t1", "content": [TEXT, anthropic_part(ONE)]}],
    {"content": [part(ONE), part(TWO)], "structuredContent": {"n": 1}, "isError": False},
    [
        {"type": "resource", "resource": {"uri": "a:b", "mimeType": "image/png", "blob": ""}},
        part(ONE),
    ],
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_what_was_sent_comes_back_equal(value: Any) -> None:
    media = found(value)
    assert media.modality == "image"
    assert ONE in [blob.data for blob in media.blobs]
    assert b64encode(ONE).decode() not in canonical(media.frame)
    assert filled(media) == value


def test_the_text_says_what_there_is_in_its_order() -> None:
    taken = jpeg(640, 480, exif(b"2024:05:01 12:30:59"))
    media = found([part(ONE, alt="a  cat"), TEXT, part(taken, "image/jpeg")])
    assert media.text == (
        "[image 1: a cat, PNG, 4x3]\nsee these\n[image 2: JPEG, 640x480, 2024-05-01 12:30]"
    )


def test_the_parts_of_a_tools_result_are_told_as_parts() -> None:
    value = [{"type": "tool_result", "tool_use_id": "t", "content": [TEXT, anthropic_part(ONE)]}]
    assert found(value).text == "see these\n[image 1: PNG, 4x3]"


def test_an_image_that_comes_twice_is_taken_once() -> None:
    media = found([part(ONE), part(ONE)])
    assert len(media.blobs) == 1
    assert filled(media) == [part(ONE), part(ONE)]


@pytest.mark.parametrize(
    ("value", "modality"),
    [
        ({"type": "audio", "data": b64encode(SOUND).decode(), "mimeType": "audio/wav"}, "audio"),
        ([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}], "audio"),
        (data_url(SOUND, "video/mp4"), "video"),
        ([part(ONE), {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}], "image"),
    ],
)
def test_recordings_make_their_own_pages(value: Any, modality: str) -> None:
    media = found(value)
    assert media.modality == modality
    assert filled(media) == value


@pytest.mark.parametrize(
    "value",
    [
        "see data:image/png;base64,AAAA for it",
        "data:image/png;base64,not base64!",
        data_url(b"%PDF-", "application/pdf"),
        [{"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}],
        [{"type": "image", "data": 0, "mimeType": "image/png"}],
        [{"type": "image", "data": "AB", "mimeType": "image/png"}],
        [part(ONE), {"type": "image", "mimeType": "image/png", "data": {"blob": 0}}],
    ],
)
def test_what_cannot_be_put_back_as_it_was_is_left_as_it_is(value: Any) -> None:
    assert read(value) is None
    content = page_of(value, "content")[0]
    assert content == (value if isinstance(value, str) else canonical(value))


def test_an_event_with_an_image_is_an_image() -> None:
    event = read_event({"role": "user", "content": [TEXT, part(ONE)]}, "events[0]")
    assert (event.modality, event.content) == ("image", "see these\n[image 1: PNG, 4x3]")
    assert event.media is not None
    assert event.media.blobs[0].data == ONE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "text", "blob", "before", "data"]), inner)
    ),
    max_leaves=12,
)


@given(json_values, json_values)
def test_whatever_stands_around_an_image_comes_back_equal(before: Any, after: Any) -> None:
    value = [before, {"inner": [part(ONE), after]}]
    media = read(value)
    if media is not None:
        assert filled(media) == value


def test_data_urls_are_told_from_the_text_behind_them() -> None:
    blobs, rest = data_urls(f"{data_url(ONE)}\n{data_url(TWO)}\nand text\ndata:")
    assert [blob.data for blob in blobs] == [ONE, TWO]
    assert rest == "and text\ndata:"
    assert data_urls("data: none") == ([], "data: none")
