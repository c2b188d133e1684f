"""What an image costs, and how it is shown smaller."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.images import data_url, gif, part, png, png_header
from tests.memory.making import count

from pagefault.base.event import canonical
from pagefault.base.media import Blob, data_urls, read_media
from pagefault.base.page import Page
from pagefault.base.pictures import Picture, read_picture
from pagefault.paging.levels import Made, Source, compute, thumbnail
from pagefault.paging.pictures import blob_tokens, counting, picture_tokens

LARGE = png(900, 700)


def source(value: Any, hint: str | None = None) -> Source:
    media = read_media(value, canonical(value))
    assert media is not None
    tokens = count(media.text) + blob_tokens(media.blobs)
    page = Page("art_1", "artifact", "image", "s1", 1, 1, tokens, 9, 0.5, "tool", 1, 0.0)
    return Source(page, media.text, count, hint, (), media.blobs)


def level(source: Source, number: int, above: int | None = None, below: int = 0) -> Made | None:
    return compute(source, number, above or source.page.tokens, below)


def picture_of(data: bytes) -> Picture:
    picture = read_picture(data)
    assert picture is not None
    return picture


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [(200, 200, 54), (1000, 1000, 1334), (1092, 1092, 1590), (8000, 8000, 1600), (1568, 75, 157)],
)
def test_an_image_costs_what_the_provider_says(width: int, height: int, tokens: int) -> None:
    assert picture_tokens(Picture("PNG", width, height)) == tokens


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_no_image_costs_nothing_or_more_than_the_most(width: int, height: int) -> None:
    assert 1 <= picture_tokens(Picture("PNG", width, height)) <= 1600
    assert picture_tokens(None) == 1600


def test_images_before_a_text_count_as_images() -> None:
    counted = counting(count)
    assert counted(f"{data_url(LARGE)}\nabout it") == 840 + count("about it")
    assert counted("data: a word") == count("data: a word")


def test_every_level_is_smaller_than_the_one_above() -> None:
    given_ = source([{"type": "text", "text": "What is this?"}, part(LARGE, alt="a valley")])
    sizes = [given_.page.tokens]
    for number in (1, 2, 3):
        made = level(given_, number, sizes[-1])
        assert made is not None
        sizes.append(made.tokens)
    assert sizes == sorted(set(sizes), reverse=True)


def test_the_stub_leaves_room_for_a_caption_above_it() -> None:
    given_ = source(part(LARGE, alt="a valley"), hint="where we met")
    stub = level(given_, 3)
    assert stub is not None
    caption = level(given_, 2, below=stub.tokens)
    assert caption is not None
    assert caption.origin == "caption/1"
    for said in ("where we met", "a valley", "PNG", "900x700", f"{len(LARGE):,} bytes"):
        assert said in caption.text


def test_a_thumbnail_is_an_image_that_can_be_seen() -> None:
    made = level(source([{"type": "text", "text": "What is this?"}, part(LARGE)]), 1)
    assert made is not None
    (small,), text = data_urls(made.text)
    assert text == "What is this?\n[image 1: PNG, 900x700]"
    picture = picture_of(small.data)
    assert (picture.format, max(picture.width, picture.height)) == ("JPEG", 512)
    assert abs(picture.width / picture.height - 900 / 700) < 0.01
    assert made.tokens == counting(count)(made.text) <= 450
    with Image.open(io.BytesIO(small.data)) as image:
        image.load()


def test_several_images_share_the_tokens() -> None:
    images = [png(500, 400, seed) for seed in range(4)]
    made = level(source([part(image) for image in images]), 1)
    assert made is not None
    drawn, _ = data_urls(made.text)
    assert len(drawn) == 4
    assert blob_tokens(drawn) < blob_tokens([Blob("image/png", image) for image in images]) / 2


def test_an_image_without_colour_or_with_transparency_is_drawn() -> None:
    for mode in ("RGBA", "P", "L", "1", "LA"):
        data = io.BytesIO()
        Image.new(mode, (600, 500)).save(data, "PNG")
        small = thumbnail.drawn_smaller(Blob("image/png", data.getvalue()), 100)
        assert small is not None
        assert blob_tokens([small]) <= 100


@pytest.mark.parametrize(
    "data", [png_header(900, 700), LARGE[:5000], gif(900, 700), png_header(20_000, 20_000)]
)
def test_of_a_damaged_or_enormous_image_there_is_a_caption_alone(data: bytes) -> None:
    given_ = source(part(data))
    assert level(given_, 1) is None
    caption = level(given_, 2)
    assert caption is not None
    assert "[image 1: " in caption.text


def test_what_is_enormous_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnail, "_draw", lambda *_: pytest.fail("it was decoded"))
    assert thumbnail.drawn_smaller(Blob("image/png", png_header(8_000, 8_000)), 100) is None


@given(st.binary(max_size=400))
def test_no_bytes_make_drawing_fail(data: bytes) -> None:
    for image in (data, png_header(900, 700) + data, LARGE[:60] + data):
        small = thumbnail.drawn_smaller(Blob("image/png", image), 100)
        assert small is None or blob_tokens([small]) <= 100


def test_without_pillow_there_is_no_thumbnail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnail, "installed", lambda: False)
    assert level(source(part(LARGE)), 1) is None
