"""An image's header says how large it is, whatever is behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.images import exif, gif, jpeg, png, png_header, webp

from pagefault.base.pictures import Picture, read_picture

WEBP = (b"VP8X", b"VP8L", b"VP8 ")
DATE = b"2024:05:01 12:30:59"
SAMPLES = (
    png(3, 2, exif=exif(DATE)),
    gif(640, 480),
    jpeg(640, 480, exif(DATE)),
    *(webp(640, 480, kind, exif(DATE)) for kind in WEBP),
)
sides = st.integers(1, 16_000)


@given(sides, sides)
def test_the_size_is_that_of_the_header(width: int, height: int) -> None:
    assert read_picture(png_header(width, height)) == Picture("PNG", width, height)
    assert read_picture(gif(width, height)) == Picture("GIF", width, height)
    assert read_picture(jpeg(width, height)) == Picture("JPEG", width, height)
    for kind in WEBP:
        assert read_picture(webp(width, height, kind)) == Picture("WebP", width, height)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_date_is_when_the_picture_was_taken(order: str) -> None:
    taken = exif(DATE, order)
    for data in (png(1, 1, exif=taken), jpeg(9, 9, taken), webp(9, 9, b"VP8X", taken)):
        picture = read_picture(data)
        assert picture is not None
        assert picture.taken == "2024-05-01 12:30"


def test_a_date_that_is_none_is_left_out() -> None:
    picture = read_picture(jpeg(9, 9, exif(b"    :  :     :  :  ")))
    assert picture == Picture("JPEG", 9, 9)


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff", b"RIFF....WAVE", png_header(0, 9)])
def test_what_is_no_image_has_no_size(data: bytes) -> None:
    assert read_picture(data) is None


@given(st.binary(max_size=300), st.sampled_from(SAMPLES))
def test_no_bytes_make_it_fail(data: bytes, sample: bytes) -> None:
    read_picture(data)
    for length in (3, 8, 12, 20):
        read_picture(sample[:length] + data)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_header_is_read_or_refused(sample: bytes, data: st.DataObject) -> None:
    damaged = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(3, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for one in (bytes(damaged), bytes(damaged[:cut])):
        picture = read_picture(one)
        assert picture is None or min(picture.width, picture.height) > 0
